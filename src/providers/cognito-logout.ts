/**
 * Where a browser's session at Amazon Cognito ends.
 *
 * Its metadata calls the logout endpoint `end_session_endpoint`, but that does not speak RP-Initiated Logout 1.0: it wants
 * `client_id` and, as `logout_uri`, a sign-out URL that the app client lists, to the letter. A `post_logout_redirect_uri` means
 * nothing to it: the session ends, and the person is left before a page with an error.
 *
 * Security: no ID token is in this address. Cognito does not read one, and addresses are kept in histories and in the
 * logs of proxies.
 */
export function cognitoLogoutUrl(endpoint: string, clientId: string, returnTo: string): URL {
  const url = new URL(endpoint)
  url.searchParams.set('client_id', clientId)
  url.searchParams.set('logout_uri', returnTo)
  return url
}
