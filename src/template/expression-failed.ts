/** How the evaluation of an expression fails. */

/**
 * An expression has no value for this request. The message is in fixed words and names at most a place in the template:
 * it never holds anything of the request, so it may be logged.
 */
export class ExpressionFailed extends Error {
  override readonly name = 'ExpressionFailed'
  readonly problem: string
  /** JSON Pointer of the expression in its template; '' outside of one. */
  readonly path: string

  constructor(problem: string, path = '') {
    super(path === '' ? problem : `${path}: ${problem}`)
    this.problem = problem
    this.path = path
  }
}
