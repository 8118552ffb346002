// Owns the shipped gateway as a subject. The orchestrator forks it.

import { openGateway } from './measured-gateway.ts';
import { serveSubject } from './subject.ts';

serveSubject(openGateway);
