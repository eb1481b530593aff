/**
 * Every refusal Mandate can answer, in one closed catalogue: a stable code, the HTTP status, what it means and how to
 * mend it. `docs/reference/errors.md` is proven equal to it.
 */

interface Entry {
  readonly status: number
  readonly title: string
  readonly mend: string
}

export const REFUSALS = {
  // framing and paths
  path_ambiguous: {
    status: 400,
    title: 'The request path can be read in more than one way',
    mend: 'Send an origin-form path without empty or dot segments, backslashes, semicolons, fragments, or needless percent-encoding.',
  },
  header_ambiguous: {
    status: 400,
    title: 'A header can be read in more than one way',
    mend: 'Send each of Host, Authorization, Origin and Cookie at most once, spelled with hyphens.',
  },
  question_unclear: {
    status: 400,
    title: 'The proxy did not say clearly what it was asked',
    mend: 'Have the proxy set each of the headers that listen.forwardAuth.headers names exactly once, and pass no Upgrade but websocket, no HTTP2-Settings, and no name of an identity header in another spelling (docs/guides/forward-auth.md).',
  },
  host_unknown: {
    status: 421,
    title: 'This host name is not served here',
    mend: 'Check the address. The operator adds host names by routes, listen.names or publicUrl.',
  },
  peer_refused: {
    status: 403,
    title: 'This port is for the configured proxies alone',
    mend: 'Use https or go through the proxy. The operator lists the addresses of proxies under listen.behind, and of those that ask before they forward under listen.forwardAuth.trusted.',
  },
  headers_too_many: { status: 431, title: 'Too many headers', mend: 'Send at most 100 headers and 32 kB of them.' },
  request_timeout: { status: 408, title: 'The request did not arrive whole and in time', mend: 'Send the request again without pauses.' },
  body_too_large: { status: 413, title: 'The request body is larger than allowed', mend: 'Send a smaller body.' },
  method_unsupported: { status: 405, title: 'This endpoint does not take this method', mend: 'Use a method from the Allow header.' },
  upgrade_unsupported: {
    status: 501,
    title: 'Connection upgrades are not served on this path',
    mend: 'Send the request without Upgrade. WebSocket is for clusters and for routes with websockets: true, by GET.',
  },
  not_found: {
    status: 404,
    title: 'Nothing is served at this path',
    mend: 'Check host and path. The operator lists what is served under clusters and routes.',
  },
  cluster_unknown: {
    status: 404,
    title: 'No cluster of this name is configured',
    mend: 'Use a name from the clusters section of the configuration.',
  },
  impersonation_refused: {
    status: 400,
    title: 'Impersonation headers are not accepted from callers',
    mend: 'Remove --as, --as-group, --as-uid and every Impersonate-* header: Mandate always acts as the caller.',
  },
  // who asks
  not_signed_in: { status: 401, title: 'Nobody is signed in', mend: 'Sign in at /login, or send a bearer token.' },
  two_credentials: { status: 400, title: 'Two credentials were sent', mend: 'Send one of them.' },
  cookie_invalid: { status: 401, title: 'The login cookie is not one that Mandate issued', mend: 'Sign in again at /login.' },
  login_ended: { status: 401, title: 'This login has ended', mend: 'Sign in again at /login.' },
  login_expired: { status: 401, title: 'The issuer no longer renews this login', mend: 'Sign in again at /login.' },
  refresh_outcome_unknown: {
    status: 401,
    title: 'It is not known whether the issuer used up the refresh token, so it is not presented again',
    mend: 'Sign in again at /login.',
  },
  origin_refused: {
    status: 403,
    title: 'A request with a login cookie must come from this origin',
    mend: 'Open it from a page of this origin or the address bar, and send its Origin header with a write; or use a bearer token.',
  },
  service_worker_refused: {
    status: 403,
    title: 'A service worker of this script would stand over paths of Mandate',
    mend: 'Serve the script from below a directory, such as /app/sw.js, or ask the operator for serviceWorkerOpen on the route.',
  },
  csrf_refused: { status: 403, title: 'The form was not the one this login was given', mend: 'Reload the page and send its form again.' },
  authorization_malformed: {
    status: 401,
    title: 'The Authorization header is not of the Bearer scheme',
    mend: 'Send "Authorization: Bearer" and one token.',
  },
  token_too_large: { status: 401, title: 'The bearer token is too large', mend: 'Send a token of at most 16 kB.' },
  token_malformed: {
    status: 401,
    title: 'The bearer token is not a signed JWT',
    mend: 'Send a JWT of three parts from a configured provider.',
  },
  token_issuer_unknown: {
    status: 401,
    title: 'The token comes from an issuer that is not configured',
    mend: 'Use a token of a configured provider.',
  },
  token_algorithm_refused: {
    status: 401,
    title: 'The token is signed with an algorithm that this provider does not allow',
    mend: "Use an asymmetric algorithm from the provider's list.",
  },
  token_key_unknown: {
    status: 401,
    title: 'No key of the issuer matches the token',
    mend: 'Get a new token. After a key rotation the new key is fetched at most every 30 seconds.',
  },
  token_signature_invalid: { status: 401, title: "The token's signature does not verify", mend: 'Get a new token from the issuer.' },
  token_expired: { status: 401, title: 'The token has expired', mend: 'Get a new token.' },
  token_not_yet_valid: { status: 401, title: 'The token is not valid yet', mend: 'Check the clocks of the issuer and of Mandate.' },
  token_audience_wrong: {
    status: 401,
    title: 'The token was not issued for Mandate',
    mend: 'Ask the issuer for a token whose aud is the audience of this provider in the configuration.',
  },
  token_type_wrong: {
    status: 401,
    title: 'The token is not of the type this provider declares',
    mend: "Send the kind of token (access or ID) that the provider's accept key names. Where the issuer gives access tokens the typ JWT, the operator sets accessTokenType: jwt.",
  },
  token_claims_invalid: {
    status: 401,
    title: 'The token lacks a required claim, or one has the wrong type',
    mend: 'The token needs iss, sub, aud, exp and iat of the types in RFC 7519.',
  },
  token_revoked: { status: 401, title: 'Tokens of this principal issued before now were revoked', mend: 'Get a new token.' },
  // whether they may
  denied: {
    status: 403,
    title: 'No rule allows this caller here',
    mend: 'Ask the operator to allow your provider, kind or group here, or to list your client.',
  },
  insufficient_scope: {
    status: 403,
    title: 'The token lacks a scope that is needed here',
    mend: 'Get a bearer token with the scopes that are named here; WWW-Authenticate lists them too.',
  },
  // credentials
  credential_not_offered: {
    status: 403,
    title: 'This proof cannot be turned into a credential for this target',
    mend: 'Sign in with a login, or ask the operator how this cluster takes bearer tokens.',
  },
  credential_audience_wrong: {
    status: 403,
    title: "The issuer's token does not name this cluster's audience",
    mend: "The operator must have the issuer put the cluster's audience into the token.",
  },
  identity_reserved: {
    status: 403,
    title: 'The issuer names an identity that is reserved for Kubernetes itself',
    mend: 'Rename the user or group, or have the operator list it under reservedAllowed.',
  },
  identity_unusable: {
    status: 403,
    title: "The issuer's claims do not name a usable user",
    mend: 'Names must be well-formed, non-empty text; those for Kubernetes, printable ASCII without outer spaces.',
  },
  consent_needed: { status: 401, title: 'The issuer wants the person to take part again', mend: 'Sign in again at /login.' },
  too_many_requests: { status: 429, title: 'Too many requests', mend: 'Wait as long as Retry-After says.' },
  // Kubernetes clients
  credential_refused: {
    status: 401,
    title: 'The API server does not take this credential',
    mend: 'Get a new token, or sign in again, and repeat the request.',
  },
  not_permitted: {
    status: 403,
    title: 'The API server does not allow the caller this',
    mend: "Ask the cluster's administrator for the right.",
  },
  proof_refused: {
    status: 403,
    title: 'The proof does not allow this write',
    mend: 'Have exactly this action reviewed as the user right before the write, and use each proof once.',
  },
  review_unavailable: {
    status: 503,
    title: 'The API server cannot tell whether the caller may do this',
    mend: 'Try again after Retry-After.',
  },
  account_refused: {
    status: 502,
    title: 'The API server refuses the service account',
    mend: 'The operator must renew its token or give it the right.',
  },
  // brokered resources
  body_type_unsupported: {
    status: 415,
    title: 'The body is of a type that is not taken here',
    mend: 'Send JSON with Content-Type: application/json.',
  },
  body_invalid: {
    status: 400,
    title: 'The body is not what this operation takes',
    mend: 'Correct what faults lists; the path of each is a JSON Pointer (RFC 6901).',
  },
  parameter_invalid: {
    status: 400,
    title: 'A part of the path or query is not what this operation takes',
    mend: 'Use names as Kubernetes has them, and only the query fields that the operation documents.',
  },
  idempotency_key_invalid: {
    status: 400,
    title: 'The Idempotency-Key is not one',
    mend: 'Send one of 1 to 255 visible ASCII characters, a new one for each new request.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'The Idempotency-Key was used with another request',
    mend: 'Send a new key for a new request.',
  },
  namespace_refused: {
    status: 403,
    title: 'Nothing is brokered in this namespace',
    mend: 'Ask the operator to add it to the namespaces of this broker.',
  },
  object_exists: { status: 409, title: 'An object of this name exists', mend: 'Choose another name.' },
  object_changed: {
    status: 409,
    title: 'The object was changed meanwhile, or another manager owns a field',
    mend: 'Look at the object and try again.',
  },
  object_unknown: { status: 404, title: 'There is no such object', mend: 'Correct the name, or make the object first.' },
  object_invalid: {
    status: 422,
    title: 'The API server does not take the object',
    mend: 'Correct what the API server says, or have the operator correct the template.',
  },
  object_not_ours: {
    status: 403,
    title: 'The object was not written by this broker, so it is not deleted by it',
    mend: 'Delete it with your own rights.',
  },
  template_failed: {
    status: 500,
    title: 'The template of this operation has no value for this request',
    mend: 'The operator finds the expression in the log.',
  },
  account_excessive: {
    status: 503,
    title: 'The service account may do what no broker may, so nothing is written with it',
    mend: 'The operator finds in the log which right to take from it.',
  },
  account_unseen: {
    status: 503,
    title: 'It is not known yet whether the service account may do too much',
    mend: 'Try again after Retry-After.',
  },
  own_work_refused: {
    status: 403,
    title: 'This is not part of the task',
    mend: 'Add the verb and the resource to the table of tasks, if the task needs them.',
  },
  // cannot tell, cannot reach
  issuer_unavailable: {
    status: 503,
    title: 'The issuer cannot be reached or answers wrongly',
    mend: 'Try again after Retry-After; the operator finds the cause in the log.',
  },
  store_unavailable: {
    status: 503,
    title: 'Mandate cannot reach its store, so it cannot tell whether you are signed in',
    mend: 'Try again after Retry-After. Your login is kept.',
  },
  audit_unavailable: {
    status: 503,
    title: 'The audit log cannot be written, so nothing is done',
    mend: 'The operator must make room for the audit log.',
  },
  credential_unavailable: {
    status: 503,
    title: 'Mandate cannot read the account that it needs for this target',
    mend: 'Try again after Retry-After; the operator finds the cause in the log.',
  },
  too_busy: { status: 503, title: 'This replica reads as many forms as it may at once', mend: 'Wait as long as Retry-After says.' },
  shutting_down: { status: 503, title: 'This replica is stopping', mend: 'Try again.' },
  fault: { status: 500, title: 'Mandate made a mistake', mend: 'Tell the operator the request id.' },
  upstream_unavailable: {
    status: 502,
    title: 'The target cannot be reached',
    mend: 'Try again later; the operator finds the cause in the log.',
  },
  upstream_timeout: { status: 504, title: 'The target did not answer in time', mend: 'Try again later.' },
  upstream_broke: { status: 502, title: 'The target broke off its answer', mend: 'Try again.' },
  content_refused: {
    status: 502,
    title: 'The target answered with a content type that is not shown to browsers',
    mend: 'Use a bearer token, or ask for JSON, YAML, protobuf or plain text.',
  },
  proxy_subresource_refused: {
    status: 403,
    title: 'Proxy subresources are never opened by a login cookie',
    mend: "Use a bearer token: a tenant's page must not run where the cookie lives.",
  },
  // signing in
  provider_unknown: { status: 404, title: 'No provider of this name is configured', mend: 'Choose a provider on the sign-in page.' },
  return_to_refused: { status: 400, title: 'return_to leads away from this site', mend: 'Give a path on this site.' },
  sign_in_state_unknown: {
    status: 400,
    title: 'This sign-in was not begun in this browser, was already used, or took too long',
    mend: 'Begin again at /login.',
  },
  session_code_unknown: {
    status: 400,
    title: 'This sign-in for the host was not begun in this browser, was already used, or took too long',
    mend: 'Open the page again.',
  },
  sign_in_issuer_mismatch: { status: 400, title: 'The answer came from another issuer than the one asked', mend: 'Begin again at /login.' },
  sign_in_refused: {
    status: 403,
    title: 'The issuer refused the sign-in',
    mend: "Begin again at /login, or ask the issuer's administrator.",
  },
  sign_in_token_invalid: {
    status: 502,
    title: "The issuer's answer does not hold",
    mend: 'Begin again at /login; the operator finds the cause in the log.',
  },
  logout_token_invalid: {
    status: 400,
    title: 'The logout token is not valid',
    mend: 'Send a logout token as OpenID Connect Back-Channel Logout 1.0 describes.',
  },
} as const satisfies Record<string, Entry>

export type RefusalCode = keyof typeof REFUSALS
