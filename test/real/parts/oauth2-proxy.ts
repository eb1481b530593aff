import { randomBytes } from 'node:crypto'
import { type FrontServer, type FrontServerOptions, startFrontServer } from './front-server.ts'

/** How it is started. */
export interface OAuth2ProxyOptions extends FrontServerOptions {
  /** The port of its own; its redirect URI, `redirectUriOf(port)`, must be known to the issuer before. */
  readonly port: number
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** With it sessions lie in that Redis, and only a ticket in the cookie. Without it the cookie holds the session. */
  readonly redisUrl?: string
  /** With it `/metrics` is served on that port of loopback; without it nowhere, as is its default. */
  readonly metricsPort?: number
}

/** Where its sign-in returns to. */
export function redirectUriOf(port: number): string {
  return `http://localhost:${port}/oauth2/callback`
}

/**
 * Starts oauth2-proxy as a reverse proxy on one processor: identity headers for the upstream, bearers of the issuer
 * taken, its request and authentication logs in a file.
 */
export function startOAuth2Proxy(options: OAuth2ProxyOptions): Promise<FrontServer> {
  const configuration = (folder: string) => {
    const lines = Object.entries(settings(options, `${folder}/access.log`)).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    return `${lines.join('\n')}\n`
  }
  const kind = {
    program: 'oauth2-proxy' as const,
    configuration,
    args: (file: string) => ['--config', file],
    env: () => ({ GOMAXPROCS: '1' }),
  }
  return startFrontServer(kind, options.port, options.core)
}

function settings(options: OAuth2ProxyOptions, log: string): Record<string, unknown> {
  const { upstream, port, issuer, clientId, clientSecret, redisUrl, metricsPort } = options
  return {
    http_address: `127.0.0.1:${port}`,
    upstreams: [`${upstream}/`],
    provider: 'oidc',
    oidc_issuer_url: issuer,
    client_id: clientId,
    client_secret: clientSecret,
    redirect_url: redirectUriOf(port),
    scope: 'openid email profile',
    code_challenge_method: 'S256',
    skip_provider_button: true,
    email_domains: ['*'],
    cookie_secret: randomBytes(32).toString('base64url'),
    cookie_secure: false,
    skip_jwt_bearer_tokens: true,
    pass_user_headers: true,
    set_xauthrequest: true,
    logging_filename: log,
    // It would begin a new file after 100 MB, and gzip nothing; a run stays below.
    logging_max_size: 4096,
    ...(metricsPort === undefined ? {} : { metrics_address: `127.0.0.1:${metricsPort}` }),
    ...(redisUrl === undefined ? {} : { session_store_type: 'redis', redis_connection_url: redisUrl }),
  }
}
