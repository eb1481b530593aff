/** Who may come as far as a target. */
import { z } from 'zod'
import { NUMBER_READ_OTHERWISE } from './faults/as-written.ts'
import { name, text } from './values.ts'

const callers = z
  .array(z.enum(['person', 'machine']))
  .min(1)
  .default(['person'])
  .describe('Kinds of caller that may use it')
const providers = z.array(name).min(1).optional().describe('Providers whose principals may use it; default: all')
const groups = z
  .array(text)
  .min(1)
  .optional()
  .describe('Groups of which the caller needs one, as the issuer names them; default: none needed')

export const allow = z
  .strictObject({ callers, providers, groups })
  .describe('Who may come as far as the cluster; its own RBAC decides what they may do there')

/** RFC 6749 3.3: scope-token. */
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'expected a scope: visible ASCII without quotes, backslashes and spaces')

/** A number whose text tells it from every other one. How it is written the file alone shows (`as-written.ts`). */
const claimNumber = z.number().refine(Number.isSafeInteger, { error: NUMBER_READ_OTHERWISE.problem, params: NUMBER_READ_OTHERWISE })

/** What a claim says: text, or a whole number or truth value as it is written. */
const claimValue = z
  .union([z.string().min(1), claimNumber, z.boolean()], { error: 'expected text, a whole number, true or false' })
  .transform(String)

const routeRule = z
  .strictObject({
    callers,
    provider: name.optional().describe('The provider whose principals may use it; the same as providers with one name'),
    providers,
    groups,
    scopes: z.array(scope).min(1).optional().describe('Scopes of which the bearer needs all; a login has none. Default: none needed'),
    claims: z
      .record(z.string().min(1), z.array(claimValue).min(1))
      .optional()
      .describe('Claims of the token, each with the values of which it must have one'),
  })
  .transform(({ provider, ...rule }, context) => {
    if (provider !== undefined && rule.providers !== undefined)
      context.addIssue({ code: 'custom', path: ['provider'], message: 'stands beside providers', params: { mend: 'write one of the two' } })
    return provider === undefined ? rule : { ...rule, providers: [provider] }
  })

/** One rule or several, of which one must be met whole. Always a list once it is read. */
export const routeAllow = z
  .union([routeRule.transform((rule) => [rule]), z.array(routeRule).min(1)], { error: 'expected a rule or a list of rules' })
  .describe('Who may use the service: a rule, or a list of rules of which one must be met whole')

export type RouteRule = z.output<typeof routeRule>
