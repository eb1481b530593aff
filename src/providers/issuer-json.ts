/**
 * Reads one JSON object from an issuer, for metadata and keys. Whatever else comes (an error page, a redirect, half a
 * body, an array) is an IssuerAnswerFaulty with a reason word. The word never holds content: JSON.parse quotes its input.
 */
import { IssuerCallFailed, type IssuerHttp } from './issuer-http.ts'
import { publicAddress } from './public-address.ts'

/** The issuer answered, but not with what was asked. */
export class IssuerAnswerFaulty extends Error {
  override readonly name = 'IssuerAnswerFaulty'
  /** Such as `status_500`, `not_json`, `wrong_issuer`. */
  readonly reason: string
  /** Of which address it was, without userinfo and query; undefined where whoever logs it knows. */
  readonly url: string | undefined
  /** More for the log, which must be public. */
  readonly about: Readonly<Record<string, string>>

  constructor(reason: string, { url, ...about }: Readonly<Record<string, string>> = {}) {
    super(`the issuer's answer does not hold: ${reason}`)
    this.reason = reason
    this.url = url === undefined ? undefined : publicAddress(url)
    this.about = about
  }
}

/** Fetches one JSON object by GET. Rejects with IssuerCallFailed or IssuerAnswerFaulty. */
export async function fetchJsonObject(http: IssuerHttp, url: string): Promise<Record<string, unknown>> {
  const response = await http.fetch(url, { method: 'GET', headers: { accept: 'application/json' } })
  if (response.status !== 200) throw new IssuerAnswerFaulty(`status_${response.status}`, { url })
  const text = await response.text()
  const value = parseJson(text)
  if (!isObject(value)) throw new IssuerAnswerFaulty('not_json', { url })
  return value
}

/** The reason word of a failed call or a faulty answer; `fault` for anything unexpected. */
export function reasonWord(error: unknown): string {
  return error instanceof IssuerCallFailed || error instanceof IssuerAnswerFaulty ? error.reason : 'fault'
}

/** True for a JSON object, not an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The parsed value, or undefined for text that is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
