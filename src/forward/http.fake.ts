/** A raw upstream, what asks it, and what became of that: for tests of the HTTP upstream. */
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { type RawAnswering, startRawUpstream } from '../../test/fakes/raw-http.ts'
import { Refusal } from '../errors.ts'
import type { RefusalCode } from '../refusal-codes.ts'
import { createHttpUpstream, type HttpUpstreamOptions } from './http.ts'
import type { Cut, Forwarded, Upstream, UpstreamHead, UpstreamRequest } from './upstream.ts'

export async function stageUpstream(t: TestContext, answer?: RawAnswering, options: Partial<HttpUpstreamOptions> = {}) {
  const raw = await startRawUpstream(answer)
  const upstream = createHttpUpstream({ origin: raw.origin, ...options })
  t.after(async () => {
    await upstream.close()
    await raw.close()
  })
  return { raw, upstream }
}

export interface Seen {
  readonly head: UpstreamHead | undefined
  readonly body: string
  readonly forwarded: Forwarded
}

/** Cuts when the signal fires. */
export function cutBy(signal: AbortSignal): Cut {
  let listener: (() => void) | undefined
  signal.addEventListener('abort', () => listener?.(), { once: true })
  return {
    get over() {
      return signal.aborted
    },
    listen(one) {
      listener = one
    },
  }
}

export const asked = (more: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  method: 'GET',
  path: '/api',
  headers: [],
  body: undefined,
  cut: cutBy(new AbortController().signal),
  answerWithinMs: 5_000,
  ...more,
})

export async function fetchBy(upstream: Upstream, more: Partial<UpstreamRequest> = {}): Promise<Seen> {
  let head: UpstreamHead | undefined
  const parts: Buffer[] = []
  const destination = new Writable({ write: (chunk: Buffer, _encoding, done) => done(void parts.push(chunk)) })
  const forwarded = await upstream.forward(asked(more), async (came) => {
    head = came
    return destination
  })
  return { head, body: Buffer.concat(parts).toString('latin1'), forwarded }
}

export function refusesWith(code: RefusalCode, promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error: unknown) => error instanceof Refusal && error.code === code)
}

export const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n'
