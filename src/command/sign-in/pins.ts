/**
 * What a sign-in is for (issuer, client, audience, resource indicator and scopes), compared with what it was for before.
 *
 * Security: all of it comes from the gateway that is asked. One that is hostile or was taken over could name the issuer,
 * client and audience of somebody else's software, and would be sent a token that works there. So the word of a gateway is
 * trusted on first use and no longer: `mandate kubeconfig` pins it in the plugin's arguments, kept tokens say what they are
 * of, and a difference is a complaint. It never becomes a new sign-in by itself. Loaded on the quick path of every kubectl.
 */
import { Complaint } from '../../complaint.ts'
import type { CommandLineProvider } from './gateway-document.ts'
import type { KeptTokens } from './kept-tokens.ts'

/** What the command was told, compared to the letter. What is missing is not pinned. */
export interface Pins {
  readonly issuer?: string | undefined
  readonly client?: string | undefined
  readonly audience?: string | undefined
  /** Where the audience is pinned and this is missing, there must be none. */
  readonly resource?: string | undefined
  /** With one space between two. */
  readonly scopes?: string | undefined
}

export interface Where {
  readonly gateway: string
  readonly provider: string
}

/** No word of a gateway's document is empty. */
const NONE = ''

/** The arguments that pin what the gateway names. One word each: a value that begins with a dash is no option. */
export function pinArguments({ issuer, clientId, audience, resource, scopes }: CommandLineProvider): readonly string[] {
  return [
    `--issuer=${issuer}`,
    `--client=${clientId}`,
    `--audience=${audience}`,
    ...(resource === undefined ? [] : [`--resource=${resource}`]),
    `--scopes=${scopes.join(' ')}`,
  ]
}

/** Throws Complaint when the gateway names something else than the command was told. */
export function requirePinned(pins: Pins, described: CommandLineProvider, { gateway, provider }: Where): void {
  const found = differences([...pinned(pins, described), ['scopes', described.scopes.join(' '), pins.scopes]])
  if (found === undefined) return
  throw new Complaint(
    `${gateway} names ${found} for ${provider}, so nobody is sent there: if its operator says that this is right, run mandate kubeconfig again`,
  )
}

/** Throws Complaint when what is kept is of something else than the command was told. */
export function requireKeptPinned(pins: Pins, kept: KeptTokens, where: Where): void {
  const found = differences(pinned(pins, kept))
  if (found === undefined) return
  throw new Complaint(
    `the tokens that are kept are of ${found}, so they are not used: if the kubeconfig is right, run ${forgetting(where)} first`,
  )
}

/** Throws Complaint when what is kept is not of what the gateway names today. */
export function requireUnchanged(kept: KeptTokens, described: CommandLineProvider, where: Where): void {
  const found = differences([
    ['issuer', described.issuer, kept.issuer],
    ['client', described.clientId, kept.clientId],
    ['audience', described.audience, kept.audience],
    ['resource', described.resource ?? NONE, kept.resource ?? NONE],
    ['kind of token', described.token, kept.kind],
  ])
  if (found === undefined) return
  throw new Complaint(
    `${where.gateway} names ${found} for ${where.provider} since the last sign-in, so nobody is sent there: ` +
      `if its operator says that this is right, run ${forgetting(where)} first, and mandate kubeconfig again`,
  )
}

/** The command that ends what is kept. */
export function forgetting({ gateway, provider }: Where): string {
  return `mandate login --gateway ${gateway} --provider ${provider} --forget`
}

/** `before` is undefined for what is not compared. */
type Term = readonly [name: string, now: string, before: string | undefined]

function pinned(
  pins: Pins,
  now: Pick<CommandLineProvider, 'issuer' | 'clientId' | 'audience'> & Pick<Partial<KeptTokens>, 'resource'>,
): readonly Term[] {
  return [
    ['issuer', now.issuer, pins.issuer],
    ['client', now.clientId, pins.client],
    ['audience', now.audience, pins.audience],
    ['resource', now.resource ?? NONE, pins.resource ?? (pins.audience === undefined ? undefined : NONE)],
  ]
}

function differences(terms: readonly Term[]): string | undefined {
  const shown = (value: string) => (value === NONE ? '(none)' : value)
  const found = terms.flatMap(([name, now, before]) =>
    before === undefined || now === before ? [] : [`the ${name} ${shown(now)} instead of ${shown(before)}`],
  )
  return found.length === 0 ? undefined : found.join(' and ')
}
