import type { OutputForm } from './media-type.ts'
import type { JsonObject, KubernetesObject } from './object.ts'
import { apiVersionOf, type ResourceType } from './resource-table.ts'
import { badRequest, StatusError } from './status-error.ts'
import { partial, tableOf } from './table-format.ts'

const includes = ['', 'None', 'Metadata', 'Object']

/** The query's includeObject. Throws 400 for what it cannot be. */
export function includeObject(query: URLSearchParams): string {
  const value = query.get('includeObject') ?? ''
  if (!includes.includes(value))
    throw badRequest(
      `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`,
    )
  return value
}

function mismatch(message: string): StatusError {
  return new StatusError(406, 'NotAcceptable', message)
}

/** One object in the form the client asked for. Throws 406 when a single object cannot take that form. */
export function objectOutput(type: ResourceType, object: KubernetesObject, form: OutputForm, include: string): JsonObject {
  switch (form.as) {
    case 'Table': {
      const { resourceVersion = '' } = object.metadata
      return tableOf(type.kind, [object], { resourceVersion }, form.version, include)
    }
    case 'PartialObjectMetadata':
      return partial(object, form.version)
    case 'PartialObjectMetadataList':
      throw mismatch(`you requested PartialObjectMetadataList, but the requested object is not a list (*core.${type.kind})`)
    case '':
      return object
  }
}

/** A page of a list in the form the client asked for. Throws 406 when a list cannot take that form. */
export function listOutput(
  type: ResourceType,
  objects: readonly KubernetesObject[],
  metadata: JsonObject,
  form: OutputForm,
  include: string,
): JsonObject {
  switch (form.as) {
    case 'Table':
      return tableOf(type.kind, objects, metadata, form.version, include)
    case 'PartialObjectMetadataList': {
      const items = objects.map((object) => ({ metadata: object.metadata }))
      return { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${form.version}`, metadata, items }
    }
    case 'PartialObjectMetadata':
      throw mismatch(`you requested PartialObjectMetadata, but the requested object is a list (*core.${type.kind}List)`)
    case '': {
      // Items of a typed list carry no apiVersion and kind: the list's own say them.
      const items = objects.map(({ apiVersion, kind, ...rest }) => rest)
      return { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items }
    }
  }
}
