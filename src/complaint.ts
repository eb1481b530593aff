/** An error whose message was written for the person at the terminal: it is printed as it is. */
export class Complaint extends Error {
  override readonly name = 'Complaint'
}
