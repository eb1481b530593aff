/**
 * Which route takes a request: the one with the longest path that fits, and of that path the one with the method.
 *
 * Security: paths are compared by whole segments as they were decoded. A path whose methods are other ones takes the
 * request all the same and refuses it: it never falls to a wider path, whose rules may be weaker.
 */
import type { Route } from './routes.ts'

/** What one path leads to. */
export interface RoutePath {
  /** The route for the method that was asked; undefined when the path has none for it. */
  readonly route: Route | undefined
  /** One of its routes, by which a request with another method is known. */
  readonly any: Route
  /** Its methods, for Allow. */
  readonly methods: readonly string[]
}

/** The path for decoded segments, or undefined. */
export type FindRoute = (segments: readonly string[], method: string) => RoutePath | undefined

interface Path {
  readonly byMethod: ReadonlyMap<string, RoutePath>
  /** For all other methods. */
  readonly others: RoutePath
}

interface Node {
  readonly below: Map<string, Node>
  /** Routes of the path that ends here, and of everything below it. */
  readonly exact: Route[]
  readonly open: Route[]
}

interface Compiled {
  readonly below: ReadonlyMap<string, Compiled>
  readonly exact: Path | undefined
  readonly open: Path | undefined
}

/** The index of one host's routes. What finding costs depends on the path that is asked for, not on how many routes there are. */
export function indexRoutes(routes: readonly Route[]): FindRoute {
  const root = empty()
  for (const route of routes) insert(root, route)
  const compiled = compile(root)
  return (segments, method) => {
    const path = longest(compiled, segments)
    return path && (path.byMethod.get(method) ?? path.others)
  }
}

function empty(): Node {
  return { below: new Map(), exact: [], open: [] }
}

function insert(root: Node, route: Route): void {
  const segments = route.path.slice(1).split('/')
  const isOpen = segments.at(-1) === '**'
  let node = root
  for (const segment of isOpen ? segments.slice(0, -1) : segments) {
    const next = node.below.get(segment) ?? empty()
    node.below.set(segment, next)
    node = next
  }
  ;(isOpen ? node.open : node.exact).push(route)
}

function compile({ below, exact, open }: Node): Compiled {
  return {
    below: new Map([...below].map(([segment, node]) => [segment, compile(node)])),
    exact: pathOf(exact),
    open: pathOf(open),
  }
}

function pathOf(routes: readonly Route[]): Path | undefined {
  const [any] = routes
  if (any === undefined) return undefined
  const taken = new Map<string, Route>()
  for (const route of routes) for (const method of route.methods ?? []) taken.set(method, route)
  // RFC 9110 9.3.2: HEAD is GET without the content.
  const get = taken.get('GET')
  if (get !== undefined && !taken.has('HEAD')) taken.set('HEAD', get)
  const methods = [...taken.keys()]
  const others = { route: routes.find((route) => route.methods === undefined), any, methods }
  return { byMethod: new Map([...taken].map(([method, route]) => [method, { route, any, methods }])), others }
}

function longest(root: Compiled, segments: readonly string[]): Path | undefined {
  let node = root
  let found = root.open
  for (let at = 0; at < segments.length; at += 1) {
    const segment = segments[at] ?? ''
    // To most services a path and the same with a slash behind it are one.
    if (segment === '' && at === segments.length - 1) found = node.exact ?? found
    const next = node.below.get(segment)
    if (next === undefined) return found
    node = next
    found = node.open ?? found
  }
  return node.exact ?? found
}
