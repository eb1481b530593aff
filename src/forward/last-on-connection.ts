/**
 * Which requests are the last on their connection, and say so.
 *
 * Security: a service that does not read a body takes it for the next request of the connection, with whatever identity its
 * sender wrote into that. Where the method gives a body no meaning (RFC 9110 9.3.1, 9.3.2, 9.3.5 and 9.3.7, and whatever
 * method is not known here) many read none, and are told that no request follows: a service must not take one then (RFC
 * 9112 9.6). undici closes the connections of such requests by itself, but does not say that it will, and what stands in
 * the service's buffer is acted on before the end is seen. The body of any other method must be read by whoever answers,
 * or the connection closed (RFC 9112 9.3). That is left to the service: a connection for each write would cost more than
 * many a write, and ports run out.
 */

/** Methods whose bodies mean something. The same as undici's: it keeps connections open after these alone. */
const READ = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/** True for a request whose connection must be closed with its answer. */
export function isLastOnConnection(method: string, hasBody: boolean): boolean {
  return hasBody && !READ.has(method)
}
