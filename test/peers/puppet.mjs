#!/usr/bin/env node
// A server that is moved by its test: what it receives goes to a socket, what comes from there it says.
//   puppet.mjs SOCKET
import { connect } from 'node:net';

const strings = connect(process.argv[2]);
process.stdin.pipe(strings);
strings.pipe(process.stdout);
strings.on('error', () => process.exit(1));
strings.on('close', () => process.exit(0));
