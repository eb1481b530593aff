/**
 * The configuration of brokered resources: operations that Mandate checks as the user and then does as the service.
 *
 * Security: every write names one of `kinds`, and a namespace that is asked about as the user before; there is no key by
 * which a write goes anywhere else. What a template says of apiVersion, kind, namespace or name is put there by the write,
 * never by the template (`broker-faults.ts`). What an operation may do at all is bounded by `namespaces` and by the
 * deny-list (`deny-list.ts`).
 */
import { z } from 'zod'
import { cluster } from './cluster.ts'
import { DENIED } from './deny-list.ts'
import { hostName } from './route.ts'
import { duration, name, reference, size, text } from './values.ts'

/** Names variables of expressions: `given.x`, `written.x`. */
const word = z.string().regex(/^[a-z][A-Za-z0-9_]{0,62}$/, 'expected a word of letters, digits and underscores')

export const expression = z
  .strictObject({ cel: z.string().min(1).max(10_000).describe('A CEL expression over path, body, principal, given, written and unique') })
  .describe('A value that is computed for each request')

const computed = z.union([z.string().min(1), expression], { error: 'expected text or { cel: expression }' })

const namespaceName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected a namespace')

const A_ROUTE = 'expected a path such as /projects/{project}/sessions, its parameters whole segments, without empty or dot segments'
const SEGMENT = String.raw`(?:\{[a-z][A-Za-z0-9_]{0,62}\}|(?!\.\.?(?:\/|$))[A-Za-z0-9\-._~!$&'()+,=:@]+)`
const operationPath = z.string({ error: A_ROUTE }).regex(new RegExp(`^(?:/${SEGMENT})+$`), A_ROUTE)

const kind = z
  .strictObject({
    group: z
      .string()
      .regex(/^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?$/, 'expected an API group, or nothing for the core group')
      .default('')
      .describe('Its API group, such as batch; nothing for the core group'),
    version: z
      .string()
      .regex(/^v\d{1,3}(?:(?:alpha|beta)\d{1,3})?$/, 'expected a version such as v1 or v1alpha1')
      .describe('Such as v1'),
    resource: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected a resource in the plural, such as jobs')
      .describe('In the plural, as in paths: jobs'),
    kind: z
      .string()
      .regex(/^[A-Z][A-Za-z0-9]{0,62}$/, 'expected a kind such as Job')
      .describe('As in objects: Job'),
    namespaced: z.boolean().default(true).describe('Whether its objects are in namespaces'),
  })
  .describe('One kind of object, as the API server names it')

const review = z
  .strictObject({
    verb: z
      .string()
      .regex(/^[a-z]{1,63}$/, 'expected a verb such as create')
      .describe('The verb, in lower case'),
    kind: word.describe('One of kinds'),
    subresource: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,62}$/, 'expected a subresource such as status')
      .optional()
      .describe('The subresource, where it is one'),
    name: computed.optional().describe('Of the object that is reviewed'),
  })
  .describe(
    'What the user must be allowed, in the namespace of the write; default: the write itself. Naming another says: whoever may do this may have the service do that',
  )

const where = {
  kind: word.describe('One of kinds'),
  namespace: computed.optional().describe('For kinds in namespaces; one of namespaces'),
}
const named = { ...where, name: computed.describe('Of the object; always made here, never by the API server') }
const step = { as: word.optional().describe('Names what was written for later steps, as written.NAME'), review: review.optional() }
const owned = {
  ownedBy: word.optional().describe('An earlier step or one of given: what is written goes when that is gone'),
}
const template = z.record(z.string(), z.json().describe('Fields as they are, { cel: ... } for what is computed; a null is left out'))

const create = z.strictObject({
  do: z.literal('create').describe('Makes an object, under one review'),
  ...step,
  ...named,
  ...owned,
  object: template.describe('The object, without apiVersion, kind, and the name and namespace that the step gives it'),
})
const apply = z.strictObject({
  do: z.literal('apply').describe('Server-side apply, to what this broker wrote or to nothing yet; never by force'),
  ...step,
  ...named,
  ...owned,
  object: template.describe('What is applied to the object, which is made where it is not there. Needs a review for patch and for create'),
})
const patch = z.strictObject({
  do: z.literal('patch').describe('Changes an object, whoever wrote it'),
  ...step,
  ...named,
  patch: template.describe('A merge patch (RFC 7386)'),
})
const status = z.strictObject({
  do: z.literal('status').describe('Changes the status subresource'),
  ...step,
  ...named,
  status: template.describe('A merge patch of the status alone'),
})
const token = z.strictObject({
  do: z.literal('token').describe('Issues a token of a ServiceAccount (TokenRequest)'),
  ...step,
  namespace: computed.describe('Where the ServiceAccount is; one of namespaces'),
  serviceAccount: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'expected the name of a ServiceAccount')
    .describe('Whose token it is: one, fixed here'),
  audiences: z.array(text).min(1).max(16).describe('Who may take the token'),
  expirationSeconds: z.int().min(600).max(86_400).describe('How long it lives'),
  into: z
    .strictObject({
      secret: computed.describe('Name of the Secret'),
      key: z
        .string()
        .regex(/^[A-Za-z0-9._-]{1,253}$/, 'expected a key of a Secret')
        .describe('The key in it that holds the token'),
      ownedBy: word.describe('An earlier step or one of given; the Secret goes when that is gone'),
      review: review.optional(),
    })
    .optional()
    .describe('A Secret that holds the token for the runner, owned by what was written before it'),
  inAnswerOpen: z
    .boolean()
    .default(false)
    .describe('Give the token to whoever asked: they then act as that ServiceAccount until it expires'),
})
const remove = z.strictObject({
  do: z.literal('delete').describe('Deletes as the service, and only what this broker wrote'),
  ...step,
  ...named,
})

const write = z.discriminatedUnion('do', [create, apply, patch, status, token, remove])

const read = z
  .strictObject({
    ...where,
    do: z.enum(['get', 'list', 'delete']).describe('What is asked of the API server'),
    name: computed.optional().describe('For get and delete'),
    watch: z.boolean().default(false).describe('For list: take ?watch=1 as well'),
  })
  .describe("Passed to the API server with the user's own credential, always")

const operation = z.strictObject({
  name: name.describe('Names it in records, and in the keys of retries'),
  match: z.strictObject({
    host: hostName.optional().describe('The host of a route; default: that of publicUrl'),
    method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).describe('GET, and DELETE as the user, for asUser; any other for writes'),
    path: operationPath.describe('Whole segments; {name} takes one and gives it to expressions as path.name'),
  }),
  body: z
    .record(z.string(), z.json().describe('A keyword of JSON Schema'))
    .optional()
    .describe('JSON Schema (2020-12) of the body; without it there is none'),
  given: z
    .record(word, z.strictObject(named))
    .default({})
    .describe("Objects that are read first, with the user's own credential, and stand in expressions as given.NAME"),
  asUser: read.optional(),
  writes: z.array(write).min(1).optional().describe('What the service does, one after the other, once every review has said yes'),
  answer: word.optional().describe('The step whose object is the answer; default: the first'),
})

export const broker = z.strictObject({
  cluster: name.describe('One of clusters: its credential source carries the rights of the user'),
  allow: cluster.shape.allow.optional().describe('Who may come; default: who may use the cluster'),
  account: z
    .strictObject({ token: reference.describe("The service account's token; read again when it rotates") })
    .optional()
    .describe('What writes; needed by operations that do'),
  namespaces: z
    .union([z.array(namespaceName).min(1), z.literal('*')])
    .describe('Where it works, at most 100; "*" for everywhere but system namespaces'),
  kinds: z.record(word, kind).describe('The kinds that it works with'),
  operations: z.array(operation).min(1).describe('What it does, each under a method and a path of its own'),
  deniedOpen: z.array(z.enum(DENIED)).default([]).describe('What of the deny-list is allowed all the same'),
  rightsOpen: z
    .array(text)
    .default([])
    .describe('Kinds, as resource.group, that give rights or secrets away to whoever has them written, and are written all the same'),
  callerText: z
    .boolean()
    .default(true)
    .describe('Annotate what is written with the issuer and subject of who asked; a hash is always there'),
  bodyLimit: size.prefault('1MB').describe('Largest body'),
  cleanup: z
    .strictObject({
      mode: z.enum(['report', 'delete']).default('report').describe('Tell of what would be deleted, or delete what two sweeps have found'),
      every: duration.prefault('10m').describe('From the end of a sweep to the next'),
      most: z.int().min(1).max(1000).default(20).describe('Most objects deleted in one sweep'),
      lease: z
        .strictObject({
          namespace: namespaceName.describe('Where the Lease is'),
          name: name.optional().describe('Its name; default: mandate- and the name of the broker'),
        })
        .describe('By which one replica alone sweeps'),
    })
    .optional()
    .describe('Finds objects that it wrote and whose owner is gone'),
})

export const brokers = z.record(name, broker)

export type BrokerConfig = Readonly<z.output<typeof broker>> & { readonly name: string }
export type OperationConfig = BrokerConfig['operations'][number]
export type WriteConfig = z.output<typeof write>
export type ReviewConfig = z.output<typeof review>
export type KindConfig = z.output<typeof kind>
export type Computed = z.output<typeof computed>

/** The Lease by which one replica alone sweeps for a broker. */
export function leaseOf({ name, cleanup }: Pick<BrokerConfig, 'name' | 'cleanup'>): { namespace: string; name: string } | undefined {
  return cleanup && { namespace: cleanup.lease.namespace, name: cleanup.lease.name ?? `mandate-${name}` }
}
