/** Tokens that the issuer's own key signed, and which still say nothing that counts (RFC 7519 section 4.1, RFC 9068 section 4). */
import type { Forge, HostileToken } from './forge.ts'

const HOUR = 3600

export function hostileClaims(forge: Forge): HostileToken[] {
  const { header, claims } = forge
  const now = Math.floor(Date.now() / 1000)
  const issuer = String(claims.iss)
  const [audience = ''] = [claims.aud].flat().map(String)
  const changes: Readonly<Record<string, Record<string, readonly unknown[]>>> = {
    exp: {
      'in the past': [now - HOUR],
      'before this was written': [0],
      negative: [-1],
      'as a string': [String(now + HOUR)],
      'as a date': [new Date(Date.now() + 1e6).toISOString()],
      missing: [undefined],
      null: [null],
      'as a boolean': [true],
      'as an array': [[now + HOUR]],
    },
    nbf: { 'in an hour': [now + HOUR], 'as a string': ['0'], null: [null] },
    iat: { 'as a string': [String(now)], 'as an object': [{}] },
    aud: {
      'of another': ['https://other.test'],
      'without ours in a list': [['https://other.test', 'https://third.test']],
      missing: [undefined],
      null: [null],
      empty: [''],
      'as an empty list': [[]],
      'as an object': [{ [audience]: true }],
      'in a list in a list': [[[audience]]],
      'that starts with ours': [`${audience}.evil.test`],
      'that ends with ours': [`https://evil.test/${audience}`],
      'in capitals': [audience.toUpperCase()],
      'with a slash more': [`${audience}/`],
      'with a space': [`${audience} `],
      'two in one string': [`${audience} https://other.test`],
      'of everybody': ['*'],
    },
    iss: {
      'of another': ['https://evil.test'],
      'with a slash at the end': [`${issuer}/`],
      'in capitals': [issuer.toUpperCase()],
      missing: [undefined],
      null: [null],
      empty: [''],
      'in a list': [[issuer]],
      'with a NUL': [`${issuer}\u0000`],
      'with a zero-width space': [`${issuer}\u200B`],
      'with a Cyrillic letter': [issuer.replace('o', 'о').replace('e', 'е')],
      'with a user part': [issuer.replace('://', '://evil.test@')],
      'with a query': [`${issuer}?a`],
      'with a fragment': [`${issuer}#a`],
      'with a path up': [`${issuer}/x/..`],
    },
    sub: {
      missing: [undefined],
      empty: [''],
      null: [null],
      'as a number': [1],
      'as a list': [[claims.sub]],
      'as an object': [{}],
    },
  }
  const payloads: Readonly<Record<string, string | Uint8Array>> = {
    'that is no JSON': 'hello',
    'that is empty JSON': '',
    'that is a list': JSON.stringify([claims]),
    'that is a string': JSON.stringify('admin'),
    'that is a number': '1',
    'that is null': 'null',
    'with NaN for exp': JSON.stringify({ ...claims, exp: '@' }).replace('"@"', 'NaN'),
    'with a comment': `/* */${JSON.stringify(claims)}`,
    'with a comma too many': JSON.stringify(claims).replace(/}$/, ',}'),
    'with something after': `${JSON.stringify(claims)}x`,
    'that is cut': JSON.stringify(claims).slice(0, -1),
    'with bytes that are no UTF-8': Buffer.concat([
      Buffer.from(`{"x":"`),
      Buffer.from([0xff, 0xc0]),
      Buffer.from(`",${JSON.stringify(claims).slice(1)}`),
    ]),
    'in UTF-16': Buffer.from(JSON.stringify(claims), 'utf16le'),
  }
  return [
    ...Object.entries(changes).flatMap(([claim, values]) =>
      Object.entries(values).map(([what, [value]]) => ({
        name: `${claim} ${what}`,
        token: forge.sign(header, { ...claims, [claim]: value }),
      })),
    ),
    ...Object.entries(payloads).map(([what, payload]) => ({
      name: `a payload ${what}`,
      token: forge.sign(header, payload),
    })),
    ...hostileTypes(forge),
    ...beyondLimits(forge, now),
  ]
}

/** Another kind of token of the same issuer. Right where that kind is expected, so a test leaves out what it expects. */
function hostileTypes({ header, claims, sign }: Forge): HostileToken[] {
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  const types = ['JWT', 'logout+jwt', 'secevent+jwt', 'dpop+jwt', 'oauth-authz-req+jwt', 'token-introspection+jwt', '', undefined, 1, null]
  return [
    ...types
      .filter((typ) => typ !== header.typ)
      .map((typ) => ({
        name: `typ ${JSON.stringify(typ) ?? 'missing'}`,
        token: sign({ ...header, typ }, claims),
        only: 'type' as const,
      })),
    { name: 'a logout token', token: sign({ ...header, typ: 'logout+jwt' }, { ...claims, events }), only: 'type' },
    { name: 'an ID token', token: sign({ ...header, typ: 'JWT' }, { ...claims, aud: 'some-client', nonce: 'n' }) },
  ]
}

function beyondLimits({ header, claims, sign }: Forge, now: number): HostileToken[] {
  const depth = 20_000
  const deep = JSON.stringify(claims).replace(/}$/, `,"deep":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  const limits: Readonly<Record<string, string>> = {
    'a token of 100 kB': sign(header, { ...claims, filler: 'x'.repeat(75_000) }),
    'claims nested 20,000 deep': sign(header, deep),
    '10,000 groups': sign(header, {
      ...claims,
      groups: Array.from({ length: 10_000 }, (_, index) => `group-${index}`),
    }),
    'an exp in the year 9999': sign(header, { ...claims, exp: 253_402_300_799 }),
    'an exp of 1e400': sign(header, JSON.stringify({ ...claims, exp: '@' }).replace('"@"', '1e400')),
    'an iat in an hour': sign(header, { ...claims, iat: now + HOUR, exp: now + 2 * HOUR }),
  }
  return Object.entries(limits).map(([name, token]) => ({ name, token, only: 'limits' }))
}
