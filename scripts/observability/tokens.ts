/** Tokens and caches: what keeps Mandate fast, and what it depends on to stay so. */
import { board, type Choice, JOB } from './board.ts'
import { badFrom, figure, goodFrom, lines } from './drawing.ts'
import { orZero, ours, quantile, rate, sum } from './expressions.ts'

const ISSUER: Choice = { name: 'issuer', title: 'Provider', metric: 'mandate_token_validation_seconds_count', label: 'issuer' }
const OF = 'issuer=~"$issuer"'
/** The same providers by their other label. */
const AT = 'provider=~"$issuer"'
const HITS = 'mandate_credential_cache_hits_total'
const ACQUIRED = 'mandate_credential_acquisitions_total'

/** Found, of all that were looked for: every acquisition was preceded by a look that found nothing. */
const hitRate = (by: string) => `${sum(rate(ours(HITS)), by)} / (${sum(rate(ours(HITS)), by)} + ${sum(rate(ours(ACQUIRED)), by)})`

const now = [
  figure({
    title: 'Credential cache hits',
    about:
      'Credentials that were at hand, of all that were needed. Under 90 %: credentials live too briefly (look at the lifetimes that the issuer gives), or hardly anybody comes twice.',
    unit: 'percentunit',
    wide: 4,
    colours: goodFrom(0.8, 0.9),
    queries: [[`${sum(rate(ours(HITS)))} / (${sum(rate(ours(HITS)))} + ${sum(rate(ours(ACQUIRED)))})`, 'hits']],
  }),
  figure({
    title: 'Credentials not granted',
    about:
      'Credentials that could not be had, of those that were asked for. These callers were refused: nothing is done with rights other than theirs. The panel by result says why.',
    unit: 'percentunit',
    wide: 4,
    colours: badFrom(0.01, 0.05),
    queries: [[`(${orZero(sum(rate(ours(ACQUIRED, 'result!="granted"'))))}) / ${sum(rate(ours(ACQUIRED)))}`, 'not granted']],
  }),
  figure({
    title: 'Tokens verified before, share',
    about:
      'Bearers that had been verified before, of all. Low: each call comes with a token of its own. Have clients keep a token for as long as it lives.',
    unit: 'percentunit',
    wide: 4,
    colours: goodFrom(0.5, 0.8),
    queries: [
      [
        `${sum(rate(ours('mandate_token_validation_seconds_count', `${OF}, cached="true"`)))} / ${sum(rate(ours('mandate_token_validation_seconds_count', OF)))}`,
        'at hand',
      ],
    ],
  }),
  figure({
    title: 'Oldest signing keys',
    about:
      'Age of the signing keys that were fetched longest ago. They are fetched when they are needed, so age alone is idleness; old while tokens come: the issuer does not answer.',
    unit: 's',
    wide: 4,
    queries: [[`max(${ours('mandate_issuer_keys_age_seconds', OF)})`, 'age']],
  }),
  figure({
    title: 'Active logins',
    about: 'Logins alive in the shared store, whose upstream tokens are kept. No data: the store cannot be read.',
    unit: 'short',
    wide: 4,
    queries: [[`max(${ours('mandate_active_logins')})`, 'logins']],
  }),
  figure({
    title: 'Refresh tokens presented, 24 h',
    about: 'Within a day, by outcome. Many that are not renewed: the panel of refresh tokens below says whose.',
    unit: 'short',
    wide: 4,
    queries: [[`sum by (result) (increase(${ours('mandate_refreshes_total', AT)}[24h]))`, '{{result}}']],
  }),
]

const credentials = [
  lines({
    title: 'Credential cache hits by source',
    about:
      'By the way that credentials are obtained. A fall after a roll-out is a cold cache and passes; one that stays is a change of lifetimes or of traffic.',
    unit: 'percentunit',
    wide: 8,
    most: 1,
    queries: [[hitRate('source'), '{{source}}']],
  }),
  lines({
    title: 'Credentials asked for',
    about:
      'By source and result. refused: the issuer says no, ask it why; needs-interaction: people must sign in again; unavailable and threw: the issuer is away.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours(ACQUIRED)), 'source, result'), '{{source}} {{result}}']],
  }),
  lines({
    title: 'Refresh tokens presented',
    about:
      'By provider and outcome. unknown: an answer of the issuer was lost; refused: it ended the session; not-sent: it could not be reached, and will be tried again.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_refreshes_total', AT)), 'provider, result'), '{{provider}} {{result}}']],
  }),
]

const validation = [
  lines({
    title: 'Tokens validated',
    about: 'A second, by result. What is not ok was refused; the dashboard of machines has it by provider.',
    unit: 'cps',
    wide: 8,
    queries: [[sum(rate(ours('mandate_token_validation_seconds_count', OF)), 'result'), '{{result}}']],
  }),
  lines({
    title: 'Time to validate tokens, p95',
    about: 'By provider, for tokens at hand and at first sight. First sight above 50 ms: keys are fetched each time, or CPU is short.',
    unit: 's',
    wide: 8,
    queries: [
      [quantile(0.95, 'mandate_token_validation_seconds', `${OF}, cached="false"`, 'issuer'), '{{issuer}}, first sight'],
      [quantile(0.95, 'mandate_token_validation_seconds', `${OF}, cached="true"`, 'issuer'), '{{issuer}}, at hand'],
    ],
  }),
  lines({
    title: 'Age of signing keys',
    about:
      'By provider, at the replica that fetched them longest ago. Rises without end while tokens come: the issuer does not answer. Look at the log and at the way to the issuer.',
    unit: 's',
    wide: 8,
    queries: [[`max by (issuer) (${ours('mandate_issuer_keys_age_seconds', OF)})`, '{{issuer}}']],
  }),
]

export const tokensBoard = () =>
  board({
    uid: 'mandate-tokens',
    title: 'Mandate: tokens and caches',
    about: 'Whether credentials and verified tokens are at hand when they are needed, and whether issuers answer when they are not.',
    choices: [JOB, ISSUER],
    rows: [
      { title: 'Now', panels: now },
      { title: 'Credentials', panels: credentials },
      { title: 'Validation', panels: validation },
    ],
  })
