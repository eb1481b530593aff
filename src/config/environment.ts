/** What the environment says. What `process.env` inherits as an object (`toString`, `__proto__`) is no variable. */

/** The variable of a name; undefined when it is not set or empty. */
export function environmentVariable(name: string): string | undefined {
  const value = Object.hasOwn(process.env, name) ? process.env[name] : undefined
  return value === '' ? undefined : value
}
