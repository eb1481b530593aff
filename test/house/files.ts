/** The repository's own files, as the house's tests look at them. */
import { globSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../..')

const NOT_OURS = ['node_modules', 'dist', '.git', '.mandate']

/** Paths below the root, with forward slashes, that match one of the patterns. */
export function filesOf(...patterns: readonly string[]): string[] {
  const found = globSync(patterns, { cwd: ROOT, exclude: (name) => NOT_OURS.includes(name.replaceAll('\\', '/').split('/').at(-1) ?? '') })
  return [...new Set(found.map((path) => path.replaceAll('\\', '/')))].sort()
}

export function contentOf(path: string): string {
  return readFileSync(resolve(ROOT, path), 'utf8')
}

/** All source: ours to run, to test with and to build with. */
export const SOURCES: readonly string[] = filesOf('{src,test,scripts,bench}/**/*.{ts,mjs}')

/** What runs in production: no tests, suites or stand-ins. */
export const PRODUCT: readonly string[] = SOURCES.filter((path) => path.startsWith('src/') && !/\.(test|conformance|fake)\.ts$/.test(path))

export const PAGES: readonly string[] = filesOf('*.md', '{docs,examples,test,src,bench,scripts,deploy}/**/*.md')
