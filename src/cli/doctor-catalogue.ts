// Owns the list of what `tickwire doctor` looks at: each check's id, which begins with its group, and what it asks.
// The groups implement it, the report and docs/doctor.md show it. Invariant: an id keeps its meaning, since scripts know it.

export const CHECKS = {
  'node.version': 'Is this version of Node one that the gateway is tested on?',
  'node.platform': 'Is there a binary of uWebSockets.js for this system and processor?',
  'node.libc': 'Is the C library the one that Node and uWebSockets.js are built for?',
  'node.binary': 'Does uWebSockets.js load, and listen?',
  'node.extraction': 'Is the optional native part of msgpackr there?',
  'limits.files': 'May the process have as many files open as connectionsMax needs?',
  'limits.system': 'May all processes together have as many files open (fs.file-max)?',
  'limits.ceiling': 'How far may the limit of open files be raised (fs.nr_open)?',
  'kernel.backlog': 'How many connections may wait to be accepted (net.core.somaxconn)?',
  'kernel.handshakes': 'How many connections may be half open (net.ipv4.tcp_max_syn_backlog)?',
  'kernel.ports': 'Are there local ports enough, and are ours not among them (net.ipv4.ip_local_port_range)?',
  'kernel.sockets': 'May the buffers of all sockets take the memory that they need (net.ipv4.tcp_mem)?',
  'kernel.overcommit': 'May a Redis on this machine fork to save (vm.overcommit_memory)?',
  'kernel.hugepages': 'Are transparent huge pages kept from a Redis on this machine?',
  'memory.room': 'Is there memory for connectionsMax clients?',
  'memory.heap': 'Is the heap of V8 large enough for them, and does it fit the limit of the container?',
  'memory.processor': 'Does the container leave the process a processor?',
  'redis.address': 'Is the name of the Redis server known?',
  'redis.connect': 'Does the server accept connections?',
  'redis.tls': 'Does it speak TLS with a certificate that is trusted?',
  'redis.auth': 'Does it take the user and the password of redisUrl?',
  'redis.version': 'Is it new enough?',
  'redis.role': 'Does it take writes?',
  'redis.cluster': 'Is it a single server, and not a node of a cluster?',
  'redis.eviction': 'Does it keep what it holds when its memory is full?',
  'redis.memory': 'How much of its memory is used?',
  'redis.rights': 'May the user run the commands that a gateway runs, on the keys and channels of redisPrefix?',
  'redis.latency': 'How long does an answer take?',
  'redis.clock': "Is its clock this machine's?",
  'redis.buffers': 'How much may it buffer for a gateway that reads its channels (client-output-buffer-limit)?',
  'redis.persistence': 'What does it keep over a restart?',
  'redis.gateways': 'Which gateways are there under redisPrefix?',
  'clock.date': 'Is the date a possible one?',
  'clock.kept': 'Is the clock kept right by NTP?',
  'clock.steps': 'Does the clock run on without steps?',
  'ports.host': 'Is host an address of this machine?',
  'ports.public': 'Is the public port free, or held by the gateway?',
  'ports.admin-host': 'Is adminHost an address of this machine?',
  'ports.admin': 'Is the admin port free, or held by the gateway?',
  'files.config': 'Can the settings file be read, and by nobody else where it holds secrets?',
  'files.instruments': 'Can the file of instruments be used?',
  'files.access': 'Can the access document be used, and are its keys still good?',
  'files.certificate': 'Do certificate and key fit each other, for which names, and until when?',
  'files.secrets': 'Are files with keys and passphrases readable to their owner alone?',
  'settings.valid': 'Can the settings work?',
  'settings.readers': 'Who may read?',
  'settings.publishers': 'Who may publish?',
  'settings.tls': 'Is what others can reach encrypted?',
  'settings.stalls': 'May strangers have their connections stalled?',
  'settings.tokens': 'Do tokens of sessions live until they are renewed?',
  'settings.silence': 'Are clients closed only when they have missed a ping?',
  'settings.staleness': 'Is a topic stale before its source is down?',
  'settings.drain': 'Is the drain over before a service manager loses patience?',
  'settings.admin': 'Who reaches the admin port?',
  'settings.log': 'Is as much logged as is needed?',
} as const satisfies Record<string, string>;

export type CheckId = keyof typeof CHECKS;
export type GroupName = CheckId extends `${infer Group}.${string}` ? Group : never;

export const CHECK_IDS = Object.keys(CHECKS) as CheckId[];
export const GROUPS = [...new Set(CHECK_IDS.map(groupOf))];

export function groupOf(id: CheckId): GroupName {
  return id.slice(0, id.indexOf('.')) as GroupName;
}
