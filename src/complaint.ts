/** An error whose message was written for the person at the terminal: it is printed as it is. */
export class Complaint extends Error {
  override readonly name = 'Complaint'
}

/** A complaint about how the command was called; the exit status says so. */
export class WrongUsage extends Complaint {}
