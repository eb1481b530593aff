/** Things that are not quite a compact JWS (RFC 7515 sections 3.1, 4 and 7.1), made from a good one where that can be. */
import { deflateRawSync } from 'node:zlib'
import { CompactEncrypt } from 'jose'
import { encode, type Forge, type HostileToken, signature, signingInput } from './forge.ts'

export async function hostileForms(forge: Forge): Promise<HostileToken[]> {
  const { header, claims, parts, good } = forge
  const [head, payload, seal] = parts
  const headerText = JSON.stringify(header).slice(1, -1)
  const another = forge.sign(header, { ...claims, sub: 'somebody-else' }).split('.')[2] ?? ''
  const unencoded = `${encode({ ...header, b64: false, crit: ['b64'] })}.${JSON.stringify(claims)}`
  return [
    ...Object.entries({
      'nothing at all': '',
      'one dot': '.',
      'two dots': '..',
      'four dots': '....',
      'no base64': '!.!.!',
      'a header only': head,
      'two parts': `${head}.${payload}`,
      'a stripped signature': `${head}.${payload}.`,
      'an empty header': `.${payload}.${seal}`,
      'an empty payload': `${head}..${seal}`,
      'a fourth part': `${good.token}.${seal}`,
      'a fifth part': `${good.token}.${seal}.${seal}`,
      'a trailing dot': `${good.token}.`,
      'a leading dot': `.${good.token}`,
      'the signature of another token': `${head}.${payload}.${another}`,
      'payload and header exchanged': `${payload}.${head}.${seal}`,
      'two tokens with a comma': `${good.token},${good.token}`,
      'padding after the header': `${head}=.${payload}.${seal}`,
      'padding after the payload': `${head}.${payload}==.${seal}`,
      'padding after the signature': `${good.token}==`,
      'too much padding': `${good.token}====`,
      'a space before': ` ${good.token}`,
      'a space after': `${good.token} `,
      'a tab inside': `${head}.${payload}.\t${seal}`,
      'a newline after': `${good.token}\n`,
      'a newline inside': `${head}.${payload}.${seal.slice(0, 10)}\n${seal.slice(10)}`,
      'a NUL after': `${good.token}\u0000`,
      'a byte order mark': `\uFEFF${good.token}`,
      'a zero-width space': `${head}.${payload}.\u200B${seal}`,
      'full-width dots': `${head}．${payload}．${seal}`,
      'a full-width letter': `${head}.${payload}.${seal.slice(0, -1)}Ａ`,
      'percent-encoded dots': good.token.replaceAll('.', '%2E'),
      'the scheme twice': `Bearer ${good.token}`,
      'the JSON serialization': JSON.stringify({ protected: head, payload, signature: seal }),
    }).map(([name, token]) => ({ name, token })),
    { name: 'a header that is no JSON', token: forge.sign('{alg:RS256}', claims) },
    { name: 'a header that is an array', token: forge.sign(JSON.stringify([header]), claims) },
    { name: 'a header that is null', token: forge.sign('null', claims) },
    {
      name: 'a header with bytes that are no UTF-8',
      token: `${encode(Buffer.from([0x7b, 0xff, 0x7d]))}.${payload}.${seal}`,
    },
    { name: 'alg twice, none last', token: `${signingInput(`{${headerText},"alg":"none"}`, claims)}.` },
    { name: 'alg twice, HS256 last', token: `${signingInput(`{${headerText},"alg":"HS256"}`, claims)}.${seal}` },
    {
      name: 'an unknown critical header',
      token: forge.sign({ ...header, crit: ['x-never-heard'], 'x-never-heard': true }, claims),
    },
    { name: 'an empty crit', token: forge.sign({ ...header, crit: [] }, claims) },
    { name: 'a crit that is no array', token: forge.sign({ ...header, crit: 'exp', exp: 1 }, claims) },
    { name: 'a crit that names a registered header', token: forge.sign({ ...header, crit: ['alg'] }, claims) },
    { name: 'a crit without the header it names', token: forge.sign({ ...header, crit: ['x-absent'] }, claims) },
    { name: 'an unencoded payload (RFC 7797)', token: `${unencoded}.${signature(good.privateKey, unencoded)}` },
    { name: 'b64 false over an encoded payload', token: forge.sign({ ...header, b64: false, crit: ['b64'] }, claims) },
    {
      name: 'a compressed payload',
      token: forge.sign({ ...header, zip: 'DEF' }, deflateRawSync(JSON.stringify(claims))),
    },
    {
      name: 'a compressed bomb',
      token: forge.sign({ ...header, zip: 'DEF' }, deflateRawSync(Buffer.alloc(5_000_000, 'a'))),
    },
    { name: 'a good token inside a good signature', token: forge.sign({ ...header, cty: 'JWT' }, good.token) },
    ...(await encrypted(forge)),
  ]
}

/** JWE where JWS is expected: opening it proves nothing about who made it, since the key to make it is public. */
async function encrypted({ header, good, claims }: Forge): Promise<HostileToken[]> {
  const alg = good.publicKey.asymmetricKeyType === 'rsa' ? 'RSA-OAEP-256' : 'ECDH-ES'
  const seal = (content: string) =>
    new CompactEncrypt(Buffer.from(content)).setProtectedHeader({ alg, enc: 'A256GCM', kid: String(header.kid) }).encrypt(good.publicKey)
  const bogus = [encode({ alg: 'dir', enc: 'A256GCM', kid: header.kid }), '', encode('iv'), encode(claims), encode('tag')].join('.')
  const made = good.publicKey.asymmetricKeyType === 'ed25519' ? [] : [await seal(JSON.stringify(claims)), await seal(good.token)]
  return [bogus, ...made].map((token, index) => ({
    name: ['a bogus JWE', 'encrypted claims', 'a good token, encrypted'][index] ?? '',
    token,
  }))
}
