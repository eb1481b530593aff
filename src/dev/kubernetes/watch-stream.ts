import type { ServerResponse } from 'node:http'
import { isTrue } from '../../kubernetes/request-info.ts'
import { integerOf, versionOf } from './list-objects.ts'
import { assertListOptions } from './list-options.ts'
import type { OutputForm } from './media-type.ts'
import { clone, type JsonObject, type KubernetesObject, namespaceOf } from './object.ts'
import { includeObject, objectOutput } from './object-output.ts'
import type { ObjectStore, StoreEvent } from './object-store.ts'
import { apiVersionOf, type ResourceType } from './resource-table.ts'
import { selectorOf } from './selectors.ts'
import { StatusError } from './status-error.ts'

/** How often a watch that asked for bookmarks gets one, in milliseconds: about a minute, as the real cache does. */
const bookmarkInterval = 60_000

/** Without timeoutSeconds a watch ends by itself after this; a real server draws between 30 and 60 minutes. */
const defaultTimeoutSeconds = 30 * 60

type Watch = { store: ObjectStore; type: ResourceType; namespace: string; query: URLSearchParams; form: OutputForm }

/**
 * WATCH: writes events as they happen until the client leaves, the time is up, or `stop` fires; resolves then.
 *
 * Without a version, or at "0", it begins with what is there. What a selector no longer selects is DELETED, what it
 * begins to select ADDED. A version too old to continue from is answered 200 with one ERROR event of code 410, as the
 * real watch cache does. Throws 400 or 422 before anything is written.
 */
export async function streamWatch(watch: Watch, response: ServerResponse, stop: AbortSignal): Promise<void> {
  const { store, type, namespace, query, form } = watch
  assertListOptions(query)
  const selects = selectorOf(query, type)
  const include = includeObject(query)
  const sent = versionOf(query)
  const timeout = integerOf(query, 'timeoutSeconds') || defaultTimeoutSeconds
  const initial = query.has('sendInitialEvents') ? isTrue(query.get('sendInitialEvents')) : sent === undefined || sent === 0
  const bookmarks = isTrue(query.get('allowWatchBookmarks'))

  response.writeHead(200, {
    'Content-Type': form.stream ? 'application/json;stream=watch' : 'application/json',
    'Cache-Control': 'no-cache, private',
  })
  response.flushHeaders() // A quiet watch must still look established.

  const write = (kind: string, object: JsonObject): void => {
    response.write(`${JSON.stringify({ type: kind, object })}\n`)
  }
  let sentColumns = false
  const send = (kind: string, object: KubernetesObject): void => {
    const output = objectOutput(type, object, form, include)
    // Only the first table of a watch says what its columns are.
    if (form.as === 'Table' && sentColumns) output.columnDefinitions = null
    sentColumns = true
    write(kind, output)
  }
  const bookmark = (annotations?: JsonObject): void => {
    const metadata: JsonObject = { resourceVersion: String(store.revision) }
    if (annotations !== undefined) metadata.annotations = annotations
    send('BOOKMARK', { kind: type.kind, apiVersion: apiVersionOf(type), metadata })
  }
  const matches = (object: KubernetesObject | undefined): boolean =>
    object !== undefined && (namespace === '' || namespaceOf(object) === namespace) && selects(object)
  const deliver = (event: StoreEvent): void => {
    // A client may know a version from another server that shares this one's past, and wait for what follows it.
    if (event.resource !== type || event.revision <= (sent ?? 0)) return
    const before = matches(event.previous)
    const after = event.type !== 'DELETED' && matches(event.object)
    if (after) send(before ? 'MODIFIED' : 'ADDED', event.object)
    else if (before && event.previous !== undefined) send('DELETED', at(event.previous, event.revision))
  }

  try {
    if (initial) {
      for (const object of store.list(type, namespace)) if (matches(object)) send('ADDED', object)
      if (query.has('sendInitialEvents') && bookmarks) bookmark({ 'k8s.io/initial-events-end': 'true' })
    } else {
      for (const event of store.since(sent ?? store.revision)) deliver(event)
    }
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    write('ERROR', error.toStatus())
    response.end()
    return
  }

  const unsubscribe = store.onChange(deliver)
  const timer = bookmarks ? setInterval(() => bookmark(), bookmarkInterval) : undefined
  await ended(response, stop, timeout * 1000)
  unsubscribe()
  clearInterval(timer)
  response.end()
}

/** A deleted object is shown as it last was, but at the revision of its deletion. */
function at(object: KubernetesObject, revision: number): KubernetesObject {
  const shown = clone(object)
  shown.metadata.resourceVersion = String(revision)
  return shown
}

/** Resolves when the client has gone, the signal fired, or the time is up. */
export function ended(response: ServerResponse, stop: AbortSignal, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      response.off('close', finish)
      stop.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, Math.min(milliseconds, 2 ** 31 - 1))
    response.once('close', finish)
    stop.addEventListener('abort', finish, { once: true })
    if (stop.aborted || response.destroyed) finish()
  })
}
