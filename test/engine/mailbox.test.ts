/** Aim: between two threads nothing but memory is taken in the middle of a call, and everything in its order. */

import { beforeEach, expect, it } from 'vitest';
import { Mailbox } from '../../src/engine/mailbox.js';

let port: string[];
let taken: string[];
let calls: (() => void)[];
let onTake: (message: string) => void;
let mailbox: Mailbox<string>;

beforeEach(() => {
  port = [];
  taken = [];
  calls = [];
  onTake = () => {};
  mailbox = new Mailbox({
    receive: () => (port.length === 0 ? undefined : { message: port.shift()! }),
    isOfMemory: (message) => message.startsWith('memory'),
    take: (message) => {
      taken.push(message);
      onTake(message);
    },
    later: (call) => void calls.push(call),
  });
});

it('in the middle of a call only what is of memory is taken, the rest from the event loop', () => {
  port = ['change', 'memory 1', 'close', 'memory 2'];
  mailbox.hear();
  expect(taken).toEqual(['memory 1', 'memory 2']);
  port = ['lead'];
  mailbox.hear();
  expect(calls).toHaveLength(1);
  calls[0]!();
  expect(taken.slice(2)).toEqual(['change', 'close', 'lead']);
});

it('what came in the middle of a call goes before what comes from the event loop later', () => {
  port = ['change'];
  mailbox.hear();
  mailbox.onMessage('close');
  expect(taken).toEqual(['change', 'close']);
  calls[0]!();
  expect(taken).toHaveLength(2);
  port = ['lead'];
  mailbox.hear();
  expect(calls).toHaveLength(2);
});

it('memory keeps its order where a message that is taken needs some that waits behind it', () => {
  port = ['peer'];
  mailbox.hear();
  onTake = (message) => {
    if (message !== 'peer') return;
    port = ['memory 1', 'role', 'memory 2'];
    mailbox.hear();
  };
  mailbox.onMessage('memory 0');
  expect(taken).toEqual(['peer', 'memory 0', 'memory 1', 'memory 2', 'role']);
});

it('what waits when the other thread is gone is taken at once, all of it in its order', () => {
  port = ['change'];
  mailbox.hear();
  port = ['memory 1', 'failed'];
  mailbox.takeRest();
  expect(taken).toEqual(['change', 'memory 1', 'failed']);
});
