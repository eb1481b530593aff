/** What is legal but unwise about brokers (`advice.ts`): above all what was opened, by its name. */
import type { BrokerConfig, OperationConfig, ReviewConfig, WriteConfig } from '../broker.ts'
import type { Config } from '../config.ts'
import { LIFTED } from '../deny-list.ts'
import type { Fault } from '../faults/faults.ts'
import { kindsAdvice } from '../unsafe/broker-kinds.ts'
import { kindNamed, kindOfStep, kindText, SECRET } from '../unsafe/broker-scope.ts'

export function brokerAdvice({ brokered, providers }: Pick<Config, 'brokered' | 'providers'>): Fault[] {
  const several = Object.keys(providers).length > 1
  return Object.values(brokered).flatMap((broker) => {
    const at = `brokered.${broker.name}`
    return [
      ...opened(broker, at),
      ...wide(broker, at, several),
      ...kindsAdvice(broker, at),
      ...broker.operations.flatMap((operation, place) => ofOperation(broker, operation, `${at}.operations.${place}`)),
    ]
  })
}

function opened({ deniedOpen, rightsOpen }: BrokerConfig, at: string): Fault[] {
  return [
    ...[...new Set(deniedOpen)].map((entry) => ({
      path: `${at}.deniedOpen`,
      problem: `lifts ${entry} of the deny-list: it ${LIFTED[entry]}`,
      mend: 'remove it unless an operation is for that',
    })),
    ...[...new Set(rightsOpen)].map((entry) => ({
      path: `${at}.rightsOpen`,
      problem: `has ${entry} written, which gives rights or secrets away to whoever may ask for it`,
      mend: 'remove it unless an operation is for that',
    })),
  ]
}

function wide({ namespaces, cleanup, allow }: BrokerConfig, at: string, several: boolean): Fault[] {
  const found: Fault[] = []
  if (namespaces === '*') {
    found.push({
      path: `${at}.namespaces`,
      problem: 'is every namespace, those that are made later too: its account writes in all of them',
      mend: 'list the namespaces',
    })
  }
  if (cleanup?.mode === 'report')
    found.push({ path: `${at}.cleanup.mode`, problem: 'only reports what it would delete', mend: 'write delete once the report is right' })
  if (several && allow?.groups !== undefined && allow.providers === undefined) {
    found.push({
      path: `${at}.allow.groups`,
      problem: 'counts a group of this name from any provider',
      mend: 'name the providers in allow.providers whose groups are meant',
    })
  }
  return found
}

function ofOperation(broker: BrokerConfig, { writes = [] }: OperationConfig, at: string): Fault[] {
  return writes.flatMap((step, place) => {
    const path = `${at}.writes.${place}`
    const kind = kindOfStep(broker, step)
    const found = kind === undefined ? [] : standsFor(broker, step.review, actsOf(step, kindText(kind)), `${path}.review`)
    if (step.do !== 'token') return found
    if (step.inAnswerOpen) {
      found.push({
        path: `${path}.inAnswerOpen`,
        problem: `makes whoever asks ${step.serviceAccount} until the token ends, whatever becomes of their own rights`,
        mend: 'have the token written for its runner by into',
      })
    }
    return [...found, ...standsFor(broker, step.into?.review, [`create ${kindText(SECRET)}`], `${path}.into.review`)]
  })
}

function actsOf(step: WriteConfig, kind: string): string[] {
  switch (step.do) {
    case 'apply':
      return [`create ${kind}`, `patch ${kind}`]
    case 'status':
      return [`patch ${kind}/status`]
    case 'token':
      return [`create ${kind}/token`]
    case 'create':
    case 'patch':
    case 'delete':
      return [`${step.do} ${kind}`]
  }
}

/** Said for each, because the rights in the cluster alone no longer tell what somebody can have done. */
function standsFor(broker: BrokerConfig, review: ReviewConfig | undefined, acts: readonly string[], path: string): Fault[] {
  const kind = review && kindNamed(broker, review.kind)
  if (review === undefined || kind === undefined) return []
  const reviewed = `${review.verb} ${kindText(kind)}${review.subresource === undefined ? '' : `/${review.subresource}`}`
  if (acts.length === 1 && acts[0] === reviewed) return []
  return [
    {
      path,
      problem: `says that whoever may ${reviewed} has the service ${acts.join(' and ')}`,
      mend: 'remove it unless that is meant',
    },
  ]
}
