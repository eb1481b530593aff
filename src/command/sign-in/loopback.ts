/**
 * Where the browser brings the answer of a sign-in: a listener on 127.0.0.1, on a port that was free (RFC 8252 7.3).
 *
 * Security: every program and every web page on this machine can reach it. So it binds to the address and not to the name
 * (8.3), takes one path by GET and the Host that it has itself (DNS rebinding), and one answer: the one that carries our
 * state, compared in constant time. Anything else is refused and does not end the sign-in, or a page that guesses ports
 * could. What it says back is fixed text without a script and cannot be framed.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Secret } from '../../secret.ts'

const PATH = '/callback'

export interface Redirected {
  /** The redirect URI with the parameters of the answer; nothing but its state is checked. */
  readonly url: URL
  /** Tells the person in the browser how it ended. Resolves when that has been sent. */
  answer(signedIn: boolean): Promise<void>
}

export interface RedirectListener {
  readonly redirectUri: string
  /** The one answer that has our state. */
  readonly arrived: Promise<Redirected>
  close(): void
}

/** Listens for the answer to the sign-in with this state. */
export async function listenForRedirect(state: string): Promise<RedirectListener> {
  const { promise: arrived, resolve } = Promise.withResolvers<Redirected>()
  let taken = false
  let port = 0
  const refusal = (request: IncomingMessage, url: URL | null): readonly [number, string] | undefined => {
    if (request.headers.host !== `127.0.0.1:${port}`) return [421, 'This is not the name of this listener.']
    if (url?.pathname !== PATH) return [404, 'There is nothing here.']
    if (request.method !== 'GET') return [405, 'This takes GET only.']
    const [given = '', ...more] = url.searchParams.getAll('state')
    if (more.length > 0 || !new Secret(given).equals(new Secret(state)))
      return [400, 'This is not the answer to the sign-in that waits here.']
    return taken ? [410, 'This sign-in was answered already.'] : undefined
  }
  const server = createServer({ maxHeaderSize: 32_768, requestTimeout: 10_000 }, (request, response) => {
    const url = URL.parse(request.url ?? '', `http://127.0.0.1:${port}`)
    const refused = refusal(request, url)
    if (refused !== undefined || url === null) return void say(response, refused?.[0] ?? 400, refused?.[1] ?? '')
    taken = true
    resolve({
      url,
      answer: (signedIn) =>
        signedIn
          ? say(response, 200, 'You are signed in. Close this page and go back to the terminal.')
          : say(response, 400, 'The sign-in failed. The terminal says why.'),
    })
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(0, '127.0.0.1', listening)
  })
  port = (server.address() as AddressInfo).port
  return {
    redirectUri: `http://127.0.0.1:${port}${PATH}`,
    arrived,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function say(response: ServerResponse, status: number, text: string): Promise<void> {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  })
  return new Promise((sent) => {
    response.once('close', sent)
    response.end(`<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>Mandate</title><p>${text}</p></html>\n`)
  })
}
