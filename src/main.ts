#!/usr/bin/env node
/** The command `mandate`. kubectl asks for a kept token before each of its commands: that is answered before anything else loads. */
const { argv, env } = process
try {
  ;(await import('./command/closed-pipe.ts')).endWithReader(argv[2])
  const asked = argv[2] === 'login' && env['KUBERNETES_EXEC_INFO'] !== undefined
  const answer = asked ? (await import('./command/sign-in/at-hand.ts')).answerAtHand(argv.slice(3), env) : undefined
  if (answer === undefined) await (await import('./command/program.ts')).run()
  else process.stdout.write(answer)
} catch (error) {
  const { complain } = await import('./command/complain.ts')
  complain(error)
}
