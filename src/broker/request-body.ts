/** Reads the JSON body of an operation: whole, within its limit, before anything else is asked of anybody. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal } from '../errors.ts'
import { type Json, JsonFaulty, parseJson } from '../template/json.ts'
import { readWhole } from '../whole-body.ts'
import type { Operation } from './operation.ts'

export interface ReadBody {
  readonly value: Json
  /** The bytes as they came; none where there was no body. */
  readonly bytes: Buffer
}

const NOTHING: ReadBody = { value: null, bytes: Buffer.alloc(0) }

/**
 * The body, as the operation's schema has it. Throws a Refusal: `body_type_unsupported`, `body_too_large`,
 * `request_timeout`, or `body_invalid` with every fault of it.
 */
export async function readBody(request: IncomingMessage, response: ServerResponse, operation: Operation, limit: number): Promise<ReadBody> {
  const comes = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  if (operation.body === undefined) {
    if (comes) throw invalid('', 'is not taken by this operation: send none')
    return NOTHING
  }
  if (!comes) throw invalid('', 'is missing: send a JSON body')
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json' || request.headers['content-encoding'] !== undefined) throw new Refusal('body_type_unsupported')
  const bytes = await readWhole(request, response, { limit })
  const value = parsed(bytes)
  const faults = operation.body(value)
  if (faults.length > 0) throw new Refusal('body_invalid', { detail: countOf(faults.length), faults })
  return { value, bytes }
}

function parsed(bytes: Buffer): Json {
  try {
    return parseJson(bytes)
  } catch (error) {
    if (error instanceof JsonFaulty) throw invalid('', error.problem)
    throw error
  }
}

function invalid(path: string, problem: string): Refusal {
  return new Refusal('body_invalid', { detail: countOf(1), faults: [{ path, problem }] })
}

function countOf(faults: number): string {
  return faults === 1 ? 'it has one fault' : `it has ${faults} faults`
}
