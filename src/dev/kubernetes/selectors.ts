import { asText, at, type Json, type KubernetesObject, nameOf, namespaceOf } from './object.ts'
import type { ResourceType } from './resource-table.ts'
import { badRequest } from './status-error.ts'

/** Whether an object is among those asked for. */
export type Selector = (object: KubernetesObject) => boolean

const key = '[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?'
const setForm = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const equalForm = new RegExp(`^(${key})\\s*(==|=|!=)\\s*([-A-Za-z0-9_.]*)$`)
const existsForm = new RegExp(`^(!?)\\s*(${key})$`)

type Labels = (key: string) => string | undefined

function labelTerm(term: string): (labels: Labels) => boolean {
  const set = setForm.exec(term)
  if (set !== null) {
    const [, label = '', , operator, list = ''] = set
    const values = list.split(',').map((value) => value.trim())
    return (labels) => {
      const value = labels(label)
      const listed = value !== undefined && values.includes(value)
      return operator === 'in' ? listed : !listed // `notin` also holds where the label is absent.
    }
  }
  const equal = equalForm.exec(term)
  if (equal !== null) {
    const [, label = '', , operator, wanted = ''] = equal
    return (labels) => (labels(label) === wanted) === (operator !== '!=')
  }
  const exists = existsForm.exec(term)
  if (exists !== null) {
    const [, not, label = ''] = exists
    return (labels) => (labels(label) !== undefined) === (not === '')
  }
  throw badRequest(`unable to parse requirement: found '${term}', expected: a label selector requirement`)
}

/** Parses a label selector (apimachinery `labels.Parse`). Throws 400 for what it cannot read. */
export function labelSelector(text: string): Selector {
  const terms = text.trim() === '' ? [] : text.split(/,(?![^(]*\))/).map((term) => labelTerm(term.trim()))
  return (object) => {
    const labels: Labels = (label) => {
      const value = at(object.metadata.labels, label)
      return typeof value === 'string' ? value : undefined
    }
    return terms.every((term) => term(labels))
  }
}

function fieldText(object: KubernetesObject, field: string): string {
  if (field === 'metadata.name') return nameOf(object)
  if (field === 'metadata.namespace') return namespaceOf(object)
  const value: Json | undefined = field === 'status.successful' ? at(object.status, 'succeeded') : at(object, ...field.split('.'))
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return asText(value)
}

/**
 * Parses a field selector over the fields this resource offers.
 * Throws 400, as the server does, for a field it does not have.
 */
export function fieldSelector(text: string, type: ResourceType): Selector {
  const terms = text
    .split(',')
    .filter((term) => term.trim() !== '')
    .map((term) => {
      const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term.trim())
      if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`)
      const [, field = '', operator, wanted = ''] = match
      if (field !== 'metadata.name' && field !== 'metadata.namespace' && !type.selectable.includes(field)) {
        throw badRequest(
          type.selectable.length > 0
            ? `field label not supported: ${field}`
            : `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
        )
      }
      return (object: KubernetesObject) => (fieldText(object, field) === wanted) === (operator !== '!=')
    })
  return (object) => terms.every((term) => term(object))
}

/** Both selectors of a list, watch or deletecollection. */
export function selectorOf(query: URLSearchParams, type: ResourceType): Selector {
  const byLabel = labelSelector(query.get('labelSelector') ?? '')
  const byField = fieldSelector(query.get('fieldSelector') ?? '', type)
  return (object) => byLabel(object) && byField(object)
}
