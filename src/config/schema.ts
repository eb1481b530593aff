/** The whole of `mandate.yaml`. Unknown keys are faults; every default stands here and nowhere else. */
import { z } from 'zod'
import { brokers } from './broker.ts'
import { clusters } from './cluster.ts'
import { providers } from './providers.ts'
import { routes } from './route.ts'
import { tracing } from './traces.ts'
import { cidr, duration, origin, port, reference, size, text } from './values.ts'

const listen = z.strictObject({
  http: z
    .strictObject({ host: text.default('127.0.0.1'), port })
    .optional()
    .describe('Plain http: loopback, or behind a trusted proxy that ends TLS'),
  https: z
    .strictObject({ host: text.default('0.0.0.0'), port, cert: reference, key: reference })
    .optional()
    .describe('TLS ended here; certificate and key are read again when they rotate'),
  behind: z.array(cidr).default([]).describe('Address ranges of the proxies whose X-Forwarded-For is believed'),
  names: z
    .array(z.string().regex(/^[a-z0-9.-]+$/, 'expected a host name in lower case'))
    .default([])
    .describe('Further host names it answers to, such as its name inside the cluster'),
  forwardAuth: z
    .strictObject({
      host: text.default('127.0.0.1').describe('The address it listens on'),
      port: port.describe('Its port'),
      trusted: z.array(cidr).default([]).describe('Address ranges of the proxies that may ask; nobody else is answered'),
      headers: z
        .enum(['x-forwarded', 'x-original'])
        .default('x-forwarded')
        .describe(
          'By which headers the proxy says what it was asked: X-Forwarded-Method, -Proto, -Host and -Uri (Caddy, Traefik), or X-Original-Method and X-Original-URL (ingress-nginx)',
        ),
      cert: reference.optional().describe('Certificate for TLS, read again when it rotates; needs key'),
      key: reference.optional().describe('Its key'),
    })
    .optional()
    .describe('/authorize for proxies that ask before they forward, on a port of its own'),
  operations: z
    .strictObject({ host: text.default('127.0.0.1'), port })
    .prefault({ port: 9090 })
    .describe('/health, /ready and /metrics, on a port of their own'),
})

const store = z.union(
  [
    z.strictObject({ memory: z.literal('singleReplica') }).describe('In this process: one replica only, and a restart signs everybody out'),
    z
      .strictObject({
        redis: z.strictObject({
          url: reference.describe('redis:// or rediss:// URL, its password included'),
          ca: reference.optional().describe('PEM certificates to trust for rediss://'),
          plaintextOpen: z
            .boolean()
            .default(false)
            .describe('Take redis:// to another machine: whoever is on that network can read the password and undo sign-outs'),
          keys: z
            .array(
              z.strictObject({
                id: z.string().regex(/^[a-z0-9-]{1,16}$/, 'expected an id of lower-case letters, digits and hyphens, at most 16'),
                key: reference,
              }),
            )
            .min(1)
            .describe('Key ring: 32 bytes each in base64; the first seals, all open'),
        }),
      })
      .describe('Redis or Valkey, shared by all replicas'),
  ],
  { error: 'expected { memory: singleReplica } or { redis: { url, keys } }' },
)

export const configSchema = z.strictObject({
  publicUrl: origin.describe('The origin that browsers see'),
  listen,
  store,
  providers: providers.describe('Who may vouch for callers'),
  clusters: clusters.default({}).describe('Kubernetes API servers under /clusters/{name}'),
  brokered: brokers.default({}).describe('Operations that are checked as the user and then done as the service'),
  routes: routes.default([]).describe('HTTP services, each under a host and a path'),
  sessions: z
    .strictObject({ idle: duration.prefault('30m'), absolute: duration.prefault('8h') })
    .prefault({})
    .describe('How long a login lives without use, and at most'),
  streams: z
    .strictObject({
      maxAge: duration.prefault('1h').describe('Watches and followed logs end after this'),
      blindFor: duration.prefault('30s').describe('How long a replica without sight of the revocations keeps streams open'),
    })
    .prefault({})
    .describe('Answers that go on'),
  limits: z
    .strictObject({
      body: size.prefault('10MB').describe('Largest request body'),
      answerWithin: duration.prefault('60s').describe('How long the target may take to begin its answer'),
      signIns: z.int().min(1).default(30).describe('Sign-ins begun a minute and address'),
      perPrincipal: z
        .strictObject({
          attempts: z.int().min(1).default(500).describe('Requests under way at once'),
          streams: z.int().min(1).default(5_000).describe('Watches, followed logs and proxied answers open at once'),
        })
        .prefault({})
        .describe('What one person or machine may have going on, on each replica'),
      connections: z
        .strictObject({
          plain: z.int().min(1).default(2_500).describe('On a port without TLS'),
          tls: z.int().min(1).default(1_000).describe('On a port with TLS, where each takes three times the memory'),
          perAddress: z
            .int()
            .min(1)
            .default(500)
            .describe(
              'Of those, from one address or one /64 of IPv6; not for this machine, nor for the proxies in listen.behind and in listen.forwardAuth.trusted',
            ),
        })
        .prefault({})
        .describe('Connections that each port but that of operations holds at once; further ones are closed'),
    })
    .prefault({})
    .describe('Bounds'),
  audit: z
    .strictObject({ file: text.default('-').describe('Where audit lines go; - is standard output') })
    .prefault({})
    .describe('The audit log'),
  log: z
    .strictObject({ level: z.enum(['info', 'warn', 'error']).default('info') })
    .prefault({})
    .describe("The operator's log on standard error"),
  tracing,
})

export type RawConfig = z.output<typeof configSchema>
