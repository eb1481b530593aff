/**
 * Writes a kubeconfig of its own, or merges entries into the person's.
 *
 * Security: a kubeconfig names programs that kubectl runs, so what is written here nobody else may write, and it is there
 * whole or not at all. What the person has in theirs stays, comments included. kubectl's own lock is respected, because it
 * rewrites the file as well.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { Document, isMap, isSeq, parseDocument, stringify, type YAMLMap, type YAMLSeq } from 'yaml'
import { Complaint } from '../../complaint.ts'
import type { Entries } from './kubeconfig-entries.ts'
import { codeOf, writePrivate } from './private-file.ts'

/** The first line of files of ours. */
const MARK = '# Written by mandate kubeconfig'

/** A whole kubeconfig as YAML. */
export function asDocument({ whole }: Entries): string {
  return `${MARK}; written again when it is run again.\n${stringify(whole, { lineWidth: 0 })}`
}

/** Writes a file of its own; resolves to its path. Throws Complaint when somebody else's file is there. */
export function writeOwn(path: string, entries: Entries, force: boolean): string {
  const there = existsSync(path) ? read(path) : undefined
  if (there !== undefined && !there.startsWith(MARK) && !force) {
    throw new Complaint(
      `${path} was not written by mandate kubeconfig: choose another file, add to it with --merge, or overwrite it with --force`,
    )
  }
  writePrivate(path, asDocument(entries))
  return path
}

/** The person's kubeconfig: the first file of KUBECONFIG, else the usual one. */
export function mergeTarget(env: NodeJS.ProcessEnv = process.env): string {
  const first = env['KUBECONFIG']?.split(delimiter).find((path) => path !== '')
  return first === undefined ? join(homedir(), '.kube', 'config') : resolve(first)
}

/** Adds or replaces the entries of that name and makes the context the current one. Throws Complaint. */
export function mergeInto(path: string, entries: Entries, force: boolean): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // Where people keep their files elsewhere and link to them, the file changes and the link stays.
  const target = existsSync(path) ? realpathSync(path) : path
  const lock = `${path}.lock`
  try {
    closeSync(openSync(lock, 'wx', 0o600))
  } catch (error) {
    throw new Complaint(
      codeOf(error) === 'EEXIST'
        ? `${path} is being changed by somebody else (${lock} is there): try again, or remove that file when nothing runs`
        : `${lock} cannot be written (${codeOf(error)})`,
    )
  }
  try {
    const there = existsSync(target)
    const merged = merge(path, there ? read(target) : '', entries, force)
    writePrivate(target, merged, there ? statSync(target).mode & 0o777 : 0o600)
  } finally {
    rmSync(lock, { force: true })
  }
  return path
}

function merge(path: string, content: string, entries: Entries, force: boolean): string {
  const document = content.trim() === '' ? new Document({ apiVersion: 'v1', kind: 'Config' }) : parseDocument(content)
  const { contents } = document
  if (document.errors.length > 0 || !isMap(contents)) throw new Complaint(`${path} is not a kubeconfig in YAML, so nothing is added to it`)
  const root: YAMLMap = contents
  const clusters = listIn(document, root, 'clusters', path)
  const other = entryOf(clusters, entries.name)
  const server = other?.getIn(['cluster', 'server'])
  if (other !== undefined && server !== entries.server && !force) {
    throw new Complaint(`${path} has a cluster ${entries.name} with another server: rename that one, or replace it with --force`)
  }
  const users = listIn(document, root, 'users', path)
  const contexts = listIn(document, root, 'contexts', path)
  for (const [kind, list, isOurs] of [
    ['user', users, isOurUser],
    ['context', contexts, isOurContext],
  ] as const) {
    const there = entryOf(list, entries.name)
    if (there !== undefined && !isOurs(there, entries) && !force)
      throw new Complaint(`${path} has a ${kind} ${entries.name} that is not of this gateway: rename that one, or replace it with --force`)
  }
  put(document, clusters, entries.name, 'cluster', entries.cluster)
  put(document, users, entries.name, 'user', entries.user)
  put(document, contexts, entries.name, 'context', entries.context)
  root.set('current-context', entries.name)
  return document.toString({ lineWidth: 0 })
}

/** Whether it runs mandate login for this gateway, in any version or place. */
function isOurUser(entry: YAMLMap, { gateway }: Entries): boolean {
  const args = entry.getIn(['user', 'exec', 'args'])
  const words: unknown[] = isSeq(args) ? args.toJSON() : []
  const at = words.indexOf('login')
  return at !== -1 && words[at + 1] === '--gateway' && words[at + 2] === gateway
}

function isOurContext(entry: YAMLMap, { name }: Entries): boolean {
  return entry.getIn(['context', 'cluster']) === name && entry.getIn(['context', 'user']) === name
}

function listIn(document: Document, root: YAMLMap, key: string, path: string): YAMLSeq {
  const found = root.get(key, true)
  if (isSeq(found)) return found
  // kubectl writes null for an empty list.
  if (root.get(key) !== undefined && root.get(key) !== null)
    throw new Complaint(`${key} of ${path} is not a list, so nothing is added to it`)
  const made = document.createNode([]) as YAMLSeq
  made.flow = false
  root.set(key, made)
  return made
}

function entryOf(list: YAMLSeq, name: string): YAMLMap | undefined {
  return list.items.find((item): item is YAMLMap => isMap(item) && item.get('name') === name)
}

function put(document: Document, list: YAMLSeq, name: string, key: string, value: object): void {
  const entry = document.createNode({ [key]: value, name })
  const at = list.items.findIndex((item) => isMap(item) && item.get('name') === name)
  if (at === -1) list.add(entry)
  else list.items[at] = entry
  // `[]` as kubectl writes it would put everything on one line.
  list.flow = false
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Complaint(`${path} cannot be read (${codeOf(error)})`)
  }
}
