import { isTrue } from '../../kubernetes/request-info.ts'
import { type Cause, invalid } from './status-error.ts'
import { fixed, unsupported } from './validation-causes.ts'

const field = 'resourceVersionMatch'

function listCauses(query: URLSearchParams): Cause[] {
  const match = query.get(field) ?? ''
  const version = query.get('resourceVersion') ?? ''
  const causes: Cause[] = []
  if (match !== '') {
    if (version === '') causes.push(fixed(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'))
    if (query.get('continue')) causes.push(fixed(field, 'resourceVersionMatch is forbidden when continue is provided'))
    if (match !== 'Exact' && match !== 'NotOlderThan') causes.push(unsupported(field, match, ['Exact', 'NotOlderThan', '']))
    if (match === 'Exact' && version === '0') {
      causes.push(fixed(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    }
  }
  if (query.has('sendInitialEvents')) causes.push(fixed('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  return causes
}

function watchCauses(query: URLSearchParams): Cause[] {
  const match = query.get(field) ?? ''
  const sendsInitial = query.has('sendInitialEvents')
  const causes: Cause[] = []
  if (sendsInitial && match !== 'NotOlderThan') {
    causes.push(fixed(field, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'))
  }
  if (match === '') return causes
  if (!sendsInitial) causes.push(fixed(field, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'))
  if (match !== 'NotOlderThan') causes.push(unsupported(field, match, ['NotOlderThan']))
  if (query.get('continue')) causes.push(fixed(field, 'resourceVersionMatch is forbidden when continue is provided'))
  return causes
}

/** Throws 422 for options of a list or watch that contradict each other (apimachinery `ValidateListOptions`). */
export function assertListOptions(query: URLSearchParams): void {
  const causes = isTrue(query.get('watch')) ? watchCauses(query) : listCauses(query)
  if (causes.length > 0) throw invalid('meta.k8s.io', 'ListOptions', '', causes)
}
