import { createTcpTransport } from '../../src/transport/tcp/tcp-transport.js';
import { describeTransport } from './conformance.js';
import { silentListener } from './silent-listener.js';
import { describeSockets } from './sockets-conformance.js';

describeTransport('tcp', () => ({
  near: createTcpTransport(),
  far: createTcpTransport(),
  silent: silentListener,
}));

describeSockets('tcp', () => createTcpTransport());
