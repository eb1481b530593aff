/** Whoever reads what is printed may go, as `head` does: then a command ends without a word, as others do. */

/**
 * To be called before anything is printed. What serves is not ended by it: a gateway whose log nobody reads goes on, because
 * strangers can set off a line of the log. Whether its audit lines arrive is the audit log's to see.
 */
export function endWithReader(command: string | undefined): void {
  if (command === 'gateway') {
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
    return
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    // What `dev` started has to be stopped in order.
    if (command === 'dev') process.kill(process.pid, 'SIGTERM')
    else process.exit()
  })
  // What was begun is done, said or not.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
