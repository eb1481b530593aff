/** docs/reference/config.md from the schema that `mandate.yaml` is checked against. */
import { z } from 'zod'
import { hostName, routePath } from '../../src/config/route.ts'
import { serviceOrigin } from '../../src/config/route-upstream.ts'
import { configSchema } from '../../src/config/schema.ts'
import { cidr, duration, name, origin, port, rate, reference, secureUrl, size, text } from '../../src/config/values.ts'
import { cell, code, GENERATED, table } from './markdown.ts'

/** The scalar forms by what the schemas share when they are described anew: their definition. */
const FORMS: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [text.def, 'text'],
  [reference.def, 'reference'],
  [duration.def, 'duration'],
  [size.def, 'size'],
  [rate.def, 'rate'],
  [name.def, 'name'],
  [port.def, 'port'],
  [secureUrl.def, 'URL'],
  [origin.def, 'origin'],
  [cidr.def, 'address range'],
  [hostName.def, 'host name'],
  [routePath.def, 'path'],
  [serviceOrigin.def, 'service origin'],
])

/** Keys whose name says it all in the schema; here they get the sentence that a reader wants. */
const PLAIN: Readonly<Record<string, string>> = {
  listen: 'Where it listens. At least one of `http` and `https` is needed',
  'listen.http.host': 'Address to bind. Other than loopback only together with `behind`',
  'listen.http.port': 'Port of http; 0 takes a free one',
  'listen.https.host': 'Address to bind',
  'listen.https.port': 'Port of https; 0 takes a free one',
  'listen.https.cert': 'Certificate chain, PEM',
  'listen.https.key': 'Private key, PEM',
  'listen.operations.host': 'Address to bind. Keep it where only the platform can reach it',
  'listen.operations.port': 'Port of the operations endpoints; 0 takes a free one',
  store: 'Where logins, pending sign-ins and revocations lie. One of the following',
  'store.memory': 'The only value says that you know: one replica',
  'store.redis': 'Redis 6 or later, or Valkey',
  'store.redis.keys[].id': 'Name of the key; stands in clear before each sealed value',
  'store.redis.keys[].key': '32 random bytes in base64, as `openssl rand -base64 32` prints',
  'providers.NAME': 'One identity provider. NAME stands in paths, metrics and audit',
  'providers.NAME.clientAuth.secret': 'The client secret; read again when it changes',
  'providers.NAME.clientAuth.key': 'The private key; read again when it changes',
  'providers.NAME.clientAuth.keyId': '`kid` of the assertion, for providers that want one',
  'providers.NAME.clientAuth.algorithm': 'Signature algorithm of the assertion',
  'providers.NAME.clientAuth.path': 'The file with the assertion',
  'providers.NAME.refreshTokens.grace': 'How long after its first use the provider takes a used token again',
  'sessions.idle': 'How long a login lives without being used',
  'sessions.absolute': 'How long a login lives at most',
  'log.level': 'The least important lines that are written',
  'routes[].allow.claims.NAME': 'The values of this claim of which the token must have one',
  'clusters.NAME': 'One cluster, served under `/clusters/NAME`',
}

const FOREWORD = `# Configuration

${GENERATED}

Mandate reads one file, \`mandate.yaml\` (\`--config\` or \`MANDATE_CONFIG\` name another). It is YAML 1.2, so JSON works as well. It
is checked whole at start: unknown keys and every other fault are reported at once, each with its path, what was wrong and how to
mend it. \`mandate check\` says the same without starting, and also what is legal but unwise.

For completion in an editor, write the schema next to the file and name it in the first line:

\`\`\`sh
mandate schema > mandate.schema.json
\`\`\`

\`\`\`yaml
# yaml-language-server: $schema=mandate.schema.json
\`\`\`

The same schema lies in [mandate.schema.json](mandate.schema.json); whole files to begin with lie in [examples](../../examples).

## Forms of values

${table(
  ['form', 'written as'],
  [
    ['text', 'text, or `{ env: NAME }` to take it from the environment when the file is read'],
    ['string', 'text that stands in the file, never taken from the environment'],
    [
      'reference',
      'a secret, never the value itself: `{ env: NAME }` or `{ file: path }`. A relative path is looked for in the working directory of the process, not beside the configuration. A file is read again when it changes; one that cannot be read or is empty is an error, never an empty secret',
    ],
    ['duration', '`250ms`, `30s`, `30m`, `8h`, `1d`'],
    ['rate', '`10/second`, `60/minute`, `1000/hour`'],
    ['size', '`64kB`, `10MB`, `1GB` (powers of ten)'],
    ['name', 'lower-case letters, digits and hyphens, at most 63'],
    ['URL', 'https, or http to a loopback host; no user, password, query or fragment'],
    ['origin', 'a URL without a path'],
    ['address range', 'CIDR: `10.0.0.0/8`'],
    ['host name', 'lower case, without a port: `app.example`'],
    ['path', '`/db/reports`, or `/db/**` for it and everything below; no percent-encoding'],
    ['service origin', 'an origin; http to other machines is taken as well'],
  ],
)}

A key whose name ends in \`Open\` opens something that is closed for a reason. Nothing else fails open.
`

interface Row {
  readonly key: string
  readonly type: string
  readonly fallback: string
  readonly meaning: string
}

interface Unwrapped {
  readonly inner: z.core.$ZodType
  readonly fallback: string
  readonly description: string | undefined
}

/** Takes off optional, default and what becomes of a value once it is read, remembering what they say. */
function unwrap(schema: z.core.$ZodType, fallback = 'required', description?: string): Unwrapped {
  const said = description ?? z.globalRegistry.get(schema)?.description
  if (schema instanceof z.ZodOptional) return unwrap(schema.def.innerType, 'none', said)
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.def.innerType, shown(schema.def.defaultValue), said)
  }
  if (schema instanceof z.ZodPipe && !FORMS.has(defOf(schema))) return unwrap(schema.def.in, fallback, said)
  return { inner: schema, fallback, description: said }
}

/** A default as it would be written, or in words where nothing or a section is the default. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'empty' : value.map((member) => `\`${String(member)}\``).join(', ')
  if (typeof value !== 'object' || value === null) return `\`${String(value)}\``
  const keys = Object.entries(value)
  return keys.length === 0 ? 'as below' : keys.map(([key, inner]) => `\`${key}: ${String(inner)}\``).join(', ')
}

/** Every key under a schema, in the order of the file. */
function rowsOf(schema: z.core.$ZodType, key: string): Row[] {
  const { inner, fallback, description } = unwrap(schema)
  // The plain sentence wins over the general one of the form "reference".
  const meaning = PLAIN[key] ?? description ?? ''
  const own: Row = { key, type: typeOf(inner, key), fallback, meaning }
  return [own, ...below(inner, key)]
}

function below(schema: z.core.$ZodType, key: string): Row[] {
  if (FORMS.has(defOf(schema))) return []
  if (schema instanceof z.ZodObject) return Object.entries(schema.shape).flatMap(([name, value]) => rowsOf(value, `${key}.${name}`))
  if (schema instanceof z.ZodRecord) return rowsOf(schema.def.valueType, `${key}.NAME`)
  if (schema instanceof z.ZodArray) return below(unwrap(schema.def.element).inner, `${key}[]`)
  if (schema instanceof z.ZodUnion && !isText(schema)) return schema.def.options.flatMap((option) => variant(option, key, schema))
  return []
}

/** Text that the environment may hold. */
function isText(schema: z.ZodUnion): boolean {
  return schema.def.options.every((option) => {
    const { inner } = unwrap(option)
    return inner instanceof z.ZodString || (inner instanceof z.ZodObject && Object.keys(inner.shape).join() === 'env')
  })
}

/** One way to write a value that can be written in several: a heading row where one tells it apart, then its keys. */
function variant(option: z.core.$ZodType, key: string, all: z.ZodUnion): Row[] {
  const { inner, description } = unwrap(option)
  if (inner instanceof z.ZodArray) {
    const element = defOf(unwrap(inner.def.element).inner)
    // A list of what may also stand there by itself has the same keys.
    return all.def.options.some((other) => defOf(unwrap(other).inner) === element) ? [] : below(inner, key)
  }
  if (!(inner instanceof z.ZodObject)) return []
  const [first, ...rest] = Object.entries(inner.shape)
  if (first === undefined) return []
  const [name, value] = first
  const { inner: literal, description: ofLiteral } = unwrap(value)
  if (!(literal instanceof z.ZodLiteral)) {
    const [own, ...keys] = rowsOf(value, `${key}.${name}`)
    if (own === undefined) return []
    // Its one key is what tells it apart.
    const heading = rest.length === 0 ? { ...own, fallback: '', meaning: description ?? own.meaning } : own
    return [heading, ...keys, ...rest.flatMap(([below, schema]) => rowsOf(schema, `${key}.${below}`))]
  }
  const heading: Row = { key: `${key}.${name}: ${String(literal.value)}`, type: '', fallback: '', meaning: description ?? ofLiteral ?? '' }
  return [heading, ...rest.flatMap(([below, schema]) => rowsOf(schema, `${key}.${below}`))]
}

/** The form of a value in words. Throws when there are none: a reader could not know how to write it. */
function typeOf(schema: z.core.$ZodType, key: string): string {
  const form = FORMS.get(defOf(schema))
  if (form !== undefined) return form
  if (schema instanceof z.ZodObject) return 'section'
  if (schema instanceof z.ZodRecord) return 'sections by name'
  if (schema instanceof z.ZodLazy) return 'any value of JSON'
  if (schema instanceof z.ZodArray) return `list of ${several(typeOf(unwrap(schema.def.element).inner, key))}`
  if (schema instanceof z.ZodEnum) return schema.options.map((option) => `\`${option}\``).join(', ')
  if (schema instanceof z.ZodLiteral) return `\`${String(schema.value)}\``
  if (schema instanceof z.ZodBoolean) return '`true`, `false`'
  if (schema instanceof z.ZodUnion && isText(schema)) return 'text'
  if (schema instanceof z.ZodUnion) return [...new Set(schema.def.options.map((option) => typeOf(unwrap(option).inner, key)))].join(' or ')
  const { type, pattern, minimum } = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' })
  if (pattern !== undefined) return `text like ${code(pattern)}`
  if (type === 'integer') return `whole number, at least ${minimum}`
  if (typeof type !== 'string') throw new Error(`no name for the form of ${key}: give it one in scripts/reference/config-page.ts`)
  return type
}

function several(form: string): string {
  return form === 'section' ? 'sections' : form
}

function defOf(schema: z.core.$ZodType): unknown {
  return schema._zod.def
}

/** The page. Throws when a key has no meaning, or no name for its form: a key without one is not documented. */
export function configPage(shape: Readonly<Record<string, z.core.$ZodType>> = configSchema.shape): string {
  const sections = Object.entries(shape).map(([key, schema]) => {
    const rows = rowsOf(schema, key)
    const mute = rows.filter(({ meaning, type }) => meaning === '' && type !== 'section')
    if (mute.length > 0) throw new Error(`no meaning: ${mute.map((row) => row.key).join(', ')}; describe them in src/config`)
    const [own] = rows
    if (rows.length === 1) return `## ${key}\n\n${sentence(own?.meaning ?? '')}${requirement(own)} Form: ${own?.type}.\n`
    const lines = rows.slice(1).map((row) => [`\`${row.key}\``, cell(row.type), cell(row.fallback), cell(row.meaning)])
    return `## ${key}\n\n${sentence(own?.meaning ?? '')}${requirement(own)}\n\n${table(['key', 'form', 'default', 'meaning'], lines)}\n`
  })
  return [FOREWORD, ...sections].join('\n')
}

function sentence(meaning: string): string {
  return meaning === '' || meaning.endsWith('.') ? meaning : `${meaning}.`
}

function requirement(row: Row | undefined): string {
  return row?.fallback === 'required' ? ' Required.' : ''
}
