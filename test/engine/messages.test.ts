/** Aim: an error says on one thread what it said on the other. Method: errors sent as they are sent between the two. */

import { expect, it } from 'vitest';
import { errorFromData, errorToData } from '../../src/engine/messages.js';
import { SynodError } from '../../src/errors.js';

const sent = (error: unknown): SynodError => errorFromData(structuredClone(errorToData(error)));

it('keeps code, path and offset of an error, and what the system said behind it', () => {
  const cause = Object.assign(new Error('listen EADDRINUSE: 127.0.0.1:7101'), {
    code: 'EADDRINUSE',
    syscall: 'listen',
  });
  const error = new SynodError('ERR_SYNOD_LISTEN', 'cannot listen', { cause, path: 'listen', offset: 7 });
  const { code, message, path, offset } = error;
  expect(sent(error)).toMatchObject({ code, message, path, offset });
  expect(sent(error).cause).toBeInstanceOf(Error);
  expect(sent(error).cause).toMatchObject({
    message: cause.message,
    code: 'EADDRINUSE',
    syscall: 'listen',
    stack: cause.stack,
  });
});

it.each([
  ['text', 'text'],
  [Object.create(null), '[object]'],
  [Object.assign(new Error('odd'), { code: () => 5 }), 'odd'],
])('sends a cause that is no error of the system: %#', (cause, message) => {
  expect(sent(new SynodError('ERR_SYNOD_FENCED', 'fault', { cause })).cause).toMatchObject({ message });
});
