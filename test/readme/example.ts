import { type Decree, Replica } from '../../src/index.js';

// Adds up numbers. Every replica applies the same commands in the same order, so all have the same total.
class Adder {
  total = 0;
  apply(decree: Decree<number>): void {
    for (const command of decree) {
      this.total += Number(Buffer.from(command.bytes).toString());
      command.reply(this.total);
    }
  }
}

const members = ['a', 'b', 'c'].map((id, index) => ({ id, address: `127.0.0.1:${7101 + index}` }));
const replicas = await Promise.all(
  members.map(({ id }) =>
    Replica.open({ cluster: 'sum', replica: id, members, dataDir: `data/${id}` }, new Adder()),
  ),
);
console.log(await replicas[0]?.replicate(Buffer.from('40')));
console.log(await replicas[1]?.replicate(Buffer.from('2')));
await Promise.all(replicas.map((replica) => replica.close()));
