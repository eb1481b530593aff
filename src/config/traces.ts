/**
 * Where traces go.
 *
 * Security: spans name callers' requests by id, resource and provider. A collector beside the gateway mostly speaks plain http;
 * to another machine that is asked for by name.
 */
import { z } from 'zod'
import { isLoopbackHost } from './loopback.ts'
import { anyUrl } from './values.ts'

export const tracing = z
  .strictObject({
    otlp: anyUrl.describe('OTLP/HTTP endpoint for traces, without /v1/traces'),
    plaintextOpen: z
      .boolean()
      .default(false)
      .describe('Take http:// to another machine: whoever is on that network can read and forge the traces'),
  })
  .superRefine(({ otlp, plaintextOpen }, context) => {
    const url = URL.parse(otlp)
    if (plaintextOpen || url?.protocol !== 'http:' || isLoopbackHost(url.hostname)) return
    const params = { mend: 'use https, or write plaintextOpen: true if nobody else can reach that network' }
    context.addIssue({ code: 'custom', path: ['otlp'], message: 'is http to a host that is not loopback', params })
  })
  .optional()
  .describe('OpenTelemetry traces')
