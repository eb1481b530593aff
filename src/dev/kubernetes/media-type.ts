import { notRepresentable, unsupportedMediaType } from './status-error.ts'

/** What the answer is written as: an encoding, and perhaps another shape (Table, PartialObjectMetadata). */
export type OutputForm = {
  yaml: boolean
  as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'
  version: string
  stream: boolean
}

export const jsonType = 'application/json'
export const yamlType = 'application/yaml'

/** Read, because kubectl sends it for some kinds; never written, so that it is not offered either. */
const protobufType = 'application/vnd.kubernetes.protobuf'

export const offered = [jsonType, yamlType]

type Clause = { type: string; parameters: Map<string, string>; quality: number }

function clauses(accept: string): Clause[] {
  const parsed = accept.split(',').map((text) => {
    const [type = '', ...rest] = text.split(';').map((part) => part.trim())
    const parameters = new Map(
      rest.map((parameter) => {
        const [key = '', value = ''] = parameter.split('=')
        return [key.trim().toLowerCase(), value.trim()] as const
      }),
    )
    return { type: type.toLowerCase(), parameters, quality: Number(parameters.get('q') ?? 1) }
  })
  return parsed.sort((left, right) => right.quality - left.quality) // Stable: equals keep the client's order.
}

const transforms = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

/**
 * Chooses the answer's form from Accept (apiserver `negotiation.NegotiateMediaTypeOptions`).
 * Throws 406 when nothing accepted is offered. Watches can only be JSON: YAML has no framing.
 */
export function negotiateOutput(accept: string | undefined, streaming = false): OutputForm {
  const plain = { yaml: false, as: '', version: 'v1', stream: false } as const
  if (accept === undefined || accept.trim() === '') return plain
  for (const { type, parameters } of clauses(accept)) {
    const json = type === jsonType || type === '*/*' || type === 'application/*'
    if (!json && (type !== yamlType || streaming)) continue
    const as = parameters.get('as') ?? ''
    const version = parameters.get('v') ?? 'v1'
    const stream = parameters.get('stream') === 'watch'
    if (as === '') return { ...plain, yaml: !json, stream }
    const known = transforms.has(as) && parameters.get('g') === 'meta.k8s.io' && /^v1(beta1)?$/.test(version)
    if (known) return { yaml: !json, as: as as OutputForm['as'], version, stream }
  }
  throw notRepresentable([...offered, `${jsonType};stream=watch`])
}

/** How a body is written. */
export type Encoding = 'json' | 'yaml' | 'protobuf'

/** How a body is written by its Content-Type; an absent one is JSON. Throws 415 for anything else. */
export function negotiateInput(contentType: string | undefined): Encoding {
  const type = mediaType(contentType)
  if (type === '' || type === jsonType) return 'json'
  if (type === yamlType) return 'yaml'
  if (type === protobufType) return 'protobuf'
  throw unsupportedMediaType([...offered, protobufType])
}

/** The media type without its parameters, in lower case. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
}
