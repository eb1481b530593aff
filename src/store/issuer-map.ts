/**
 * A map by issuer and a name within it (a subject, a session).
 *
 * Two nested maps instead of one joined key: no text can imitate another pair, and a look-up on the hot path builds
 * no string and no digest.
 */
export class IssuerMap<V> {
  readonly #issuers = new Map<string, Map<string, V>>()

  get(issuer: string, name: string): V | undefined {
    return this.#issuers.get(issuer)?.get(name)
  }

  /** Sets a value as the newest of its issuer. */
  set(issuer: string, name: string, value: V): void {
    const names = this.#issuers.get(issuer) ?? new Map<string, V>()
    this.#issuers.set(issuer, names)
    names.delete(name)
    names.set(name, value)
  }

  delete(issuer: string, name: string): void {
    const names = this.#issuers.get(issuer)
    names?.delete(name)
    if (names?.size === 0) this.#issuers.delete(issuer)
  }

  *entries(): Generator<[issuer: string, name: string, value: V]> {
    for (const [issuer, names] of this.#issuers) {
      for (const [name, value] of names) yield [issuer, name, value]
    }
  }
}
