/** The caller that a login stands for. */
import type { Caller } from '../principal.ts'
import type { Login } from './logins.ts'

// One for as long as the login is cached: what is known of a caller need not be found out anew at every request.
const callers = new WeakMap<Login, Caller>()

/** Whoever shows this login. Frozen, and the same object at every asking. */
export function callerOf(login: Login): Caller {
  let caller = callers.get(login)
  if (caller === undefined) {
    const { principal, loginId, ended } = login
    caller = Object.freeze({ principal, proof: Object.freeze({ kind: 'login', loginId }), ended })
    callers.set(login, caller)
  }
  return caller
}
