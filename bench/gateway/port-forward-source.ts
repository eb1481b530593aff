/** What lies behind the forwarded port, in a process of its own: sends BYTES zeros to whoever connects, and ends. */
import { type AddressInfo, createServer } from 'node:net'
import { Readable } from 'node:stream'

const bytes = Number(process.env['BYTES'])
const piece = Buffer.alloc(65_536)

function* zeros(): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= piece.length) yield left < piece.length ? piece.subarray(0, left) : piece
}

const server = createServer((socket) => {
  socket.on('error', () => socket.destroy())
  Readable.from(zeros(), { objectMode: false, highWaterMark: 1_048_576 }).pipe(socket)
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
