/** What each contract says, in a sentence. A contract without one, or a sentence without its contract, fails a test. */

export const meanings: Readonly<Record<string, string>> = {
  // Rule 1.
  'acknowledged-at-most-accepted': 'An acceptor acknowledges no slot behind the last that it accepted.',
  'durable-only-what-was-written': 'Durable is what was written, up to a point that never goes back.',
  'promise-durable-before-reply': 'A promise leaves when the record that makes it is durable, not before.',
  'release-only-what-is-durable':
    'The memory of a segment is given back only when every byte of it is durable.',
  'replies-held-in-order': 'Replies wait in the order of the writes that they tell of.',
  'run-is-acknowledged-in-the-end':
    'Each slot of a run is acknowledged, or its reply is held until it is durable.',
  'writes-in-order': 'The writes that somebody waits for are recorded in the order of their numbers.',

  // Rule 2.
  'accepted-at-most-promised':
    'Nothing is accepted under a ballot above the promise: to accept is to promise.',
  'accepted-ballot-never-lowered': 'A slot is accepted anew only under the same or a higher ballot.',
  'accepted-is-held': 'What was accepted is what will be reported, under the ballot of its acceptance.',
  'acceptor-asked-under-a-ballot': 'Prepare and accept come under a ballot.',
  'promise-never-lowered': 'The promised ballot only grows.',
  'promised-what-was-asked': 'After a prepare that was not refused, its ballot is promised.',
  'recovered-acceptances-open':
    'Recovery hands the protocol acceptances of slots behind the chosen ones only.',
  'refuse-only-below-the-promise': 'Only ballots below the promise are refused.',
  'slots-begin-at-one': 'Slots are numbered from 1.',

  // Rule 3.
  'ballot-member-in-bounds': 'The member in a ballot fits its 16 bits, and is somebody.',
  'ballot-owner-proposes':
    'Only the member whose number a ballot carries prepares, proposes or claims under it.',
  'ballot-round-in-bounds':
    'The round of a ballot fits its bits, and that of a peer leaves room for higher ones.',
  'ballot-seen-covers-the-promise': 'The promise is among the ballots that the next one is above.',
  'candidate-promised-its-ballot': 'Prepare is sent while the candidate itself stands by its promise.',
  'candidate-promises-itself': 'A candidate takes a ballot above its promise, and promises it to itself.',
  'primary-promised-its-ballot': 'Who prepares or leads has promised its own ballot and nothing higher.',

  // Rule 4.
  'chosen-decree-is-proposed-again':
    'A decree learned as chosen is the one that was accepted here under a later ballot.',
  'decree-is-whole': 'A decree is a configuration decree if and only if it has a configuration.',
  'highest-ballot-wins': 'Of what was reported for a slot, that of the highest ballot is kept.',
  'open-bytes-add-up': 'The bytes counted against the window are those of the open decrees.',
  'open-slot-has-decree':
    'Between the last chosen and the last proposed slot, each has a decree at its primary.',
  'open-slots-are-proposed-again':
    'A new primary proposes every slot up to the highest reported, or stops at a configuration.',
  'only-the-primary-proposes': 'Accepts are sent by a primary.',
  'phase-two-after-learning': 'Phase 1 ends once everything is learned that an acceptor knew to be chosen.',
  'phase-two-after-quorum-of-promises': 'Phase 2 begins after complete promises of a quorum.',
  'primary-accepts-its-own': 'A primary has accepted what it proposes, under its ballot.',
  'promise-reports-at-most-its-ballot': 'A promise reports nothing above the ballot that it promises.',
  'promise-reports-lower-ballots': 'Before phase 2 of a ballot, nobody has accepted anything under it.',
  'propose-only-open-slots': 'A primary proposes behind what it knows to be chosen.',
  'propose-within-window': 'Decrees are proposed by a primary that has room for one more.',
  'same-ballot-same-decree': 'Two decrees for one slot under one ballot are the same decree.',

  // Rule 5.
  'accepted-map-is-open': 'What is held as accepted and open is of slots that are not known chosen.',
  'accepted-only-what-was-proposed': 'A member accepts under a ballot only what was proposed under it.',
  'accepted-slot-ends-the-run': 'An accepted slot is the last of the run, and not acknowledged yet.',
  'believed-only-of-the-run':
    'A claim is believed for slots accepted here under the ballot of who claims it.',
  'chosen-is-in-the-log': 'A slot that is known chosen has its decree in the log.',
  'chosen-never-lowered': 'What is known to be chosen stays so.',
  'chosen-only-what-was-proposed': 'Votes choose nothing behind the last slot proposed.',
  'fetch-from-who-is-linked': 'What is missing is asked for over a link that stands.',
  'learn-in-order': 'Decrees are learned one after the other, without a gap.',
  'only-the-primary-counts': 'Votes are counted by the primary whose ballot they are for.',
  'run-is-accepted': 'Every open slot of the run is held as accepted under its ballot.',
  'run-is-consecutive': 'A run is a stretch of slots without a gap, durable up to a place within it.',
  'settle-only-what-is-chosen': 'A slot is closed once it is chosen.',

  // Rule 6.
  'applied-is-a-gapless-prefix': 'Slots are executed one after the other, without a gap.',
  'each-command-settled-once': 'Whoever waits for a batch hears of each of its commands once.',
  'outcomes-in-order': 'The outcomes of own commands come in the order of the commands.',

  // Rule 7.
  'configuration-ids-distinct': 'The members of a configuration have different names.',
  'configuration-not-empty': 'A configuration has members.',
  'configurations-one-by-one': 'A configuration follows the one with the number before it.',
  'configured-before-counting': 'Quorums are counted under a configuration.',
  'one-configuration-at-a-time': 'Nothing is proposed behind a configuration decree until it is chosen.',
  'votes-by-other-members': 'Promises, votes and answers count when they are of another member.',

  // Rule 8.
  'member-numbers-given-once': 'A member number stands for one disk, for ever.',
  'member-numbers-left': 'A new member gets a number that fits a ballot.',
  'only-members-prepare': 'Who is no member takes no ballot.',
  'only-members-take-part':
    'A replica is a learner, or has no configuration yet, if and only if it is no member.',
  'readmit-known-id': 'A new disk is let in under a name that the configuration has.',
  'self-is-this-disk': 'The number of a replica is the one that the configuration gives to its disk.',
  'send-only-to-others': 'Messages go to others, over links to others.',

  // Rule 11.
  'speaks-the-version-in-force':
    'Nobody works under a version of the protocol that its build does not speak.',
  'version-never-lowered': 'A configuration is under the version of the one before it, or a higher one.',

  // The first configuration, elections, exactly once.
  'genesis-once': 'A first configuration is taken where there is none, and nothing is chosen.',
  'offered-to-who-has-everything':
    'A primary offers its place to a member that has every decree it proposed, and proposes no more.',
  'only-candidates-ask': 'Who asks whether there is a primary is a candidate.',
  'patience-within-bounds': 'Suspicion takes an election timeout, and at most half of one more.',
  'primary-has-a-ballot': 'A primary that is heard from has a ballot.',
  'time-never-goes-back': 'The time that the protocol is given only grows.',
  'batches-in-order': 'Batches of own commands are taken in the order of their commands, none left out.',
  'group-fields-in-bounds': 'A group has a member, a session, a first number and commands.',
  'sequences-only-grow': 'A group that is executed moves its session on.',

  // Reads.
  'answers-what-was-asked': 'An answer to reads is for reads that were made.',
  'echoes-what-was-sent': 'An answer to a heartbeat is to one that was sent.',
  'reads-are-numbered-upwards': 'Reads have numbers that only grow.',
  'reads-see-what-was-adopted': 'No read is given a slot before the last one that the primary adopted.',

  // Log format.
  'index-slot-safe-integer': 'Slots of the index are integers that a number can hold.',
  'record-aligned': 'A record begins at a multiple of 8 bytes.',
  'record-decree-kind-8-bits': 'The kind of a decree fits a byte.',
  'record-field-32-bits': 'What is stored in 32 bits fits them.',
  'record-field-safe-integer': 'What is stored in 64 bits is an integer that a number can hold.',
  'record-group-zero': 'There is one group per log.',
  'record-kind-known': 'Only kinds of records that readers know are written.',
  'record-not-durable-before-written': 'No record says of itself that it is durable.',
  'record-pad-without-checksum': 'A pad has no checksum, as its content means nothing.',
  'record-sequence-positive': 'Records are numbered from 1.',
  'recovery-examines-what-it-asked-for': 'Recovery is given the segment that it asked for.',
  'recovery-finished': 'The verdict is there when everything asked for was examined.',
  'recovery-newest-segment-has-no-end': 'Only a segment that another follows is complete.',
  'recovery-segments-ascending': 'Segments are given in the order of their numbers.',
  'recovery-table-total': 'The decision table has a rule for everything that can be found.',
  'scan-begins-before-end': 'A segment does not begin behind its successor.',
  'segment-configuration-length': 'The configuration in a segment header fits its place.',
  'segment-disk-incarnation-length': 'A disk incarnation is 16 bytes.',
  'segment-field-in-bounds': 'A segment header is written with values that readers take.',
  'segment-header-room': 'A segment header is given its page.',
  'segment-identifier-length': 'Names in a segment header fit their place.',
  'state-folds-every-record': 'As many records are folded as there are sequence numbers.',
  'state-folds-one-chain': 'A segment is folded onto the one that it continues.',
  'tail-folds-segments-in-order':
    'What is not proven durable is gathered from segments in the order of their numbers.',
  'state-folds-segments-in-order': 'Segments are folded in the order of their numbers.',
  'state-folds-without-gap': 'Segments are folded without a gap in the sequence.',

  // Engine and application.
  'batch-ends-a-block': 'What goes to the medium ends at the end of a block.',
  'batch-lies-at-the-tail': 'A batch written in place lies where its record will begin.',
  'block-for-a-revoked-batch': 'A batch whose memory was taken back has a block to move to.',
  'bridge-layout': 'Both threads see the bridge in the same size.',
  'burst-ended-or-revoked':
    'A burst is ended by the application, or taken back by the engine, and nothing else.',
  'delivered-bytes-add-up':
    'The bytes on their way to the application are those of the decrees on their way.',
  'discard-after-the-next-header': 'Void segments go when the header of the next one is durable.',
  'grant-begins-a-block': 'Memory is lent from the beginning of a block on.',
  'grant-within-segment': 'What the application wrote lies within the segment that was lent.',
  'memory-told-before-used': 'The application is told of a memory before anything in it is delivered.',
  'open-slot-resident': 'The payload of an open slot is in memory.',
  'payload-has-a-place': 'A decree with a payload says where it lies.',
  'record-behind-the-segment-header': 'Records begin behind the header of their segment.',
  'record-within-segment': 'A record ends within its segment.',
  'recovery-asks-for-what-exists': 'Recovery asks for segments that it was told of.',
  'release-what-is-not-written-to': 'The memory of the segment that is written to is not given back.',
  'roll-needs-standby': 'The next segment is there when the last one is ended.',
  'segments-are-written-in-order': 'Segments are written in the order of their numbers.',
  'skip-within-segment': 'Given up is what lies between the tail and the end of the segment.',

  // Checkpoints.
  'checkpoint-configuration-length': 'The member sets in the header of a checkpoint fit their places.',
  'checkpoint-ends-once': 'Behind the last block of a checkpoint nothing is written.',
  'checkpoint-field-safe-integer':
    'The header of a checkpoint is written with integers that a number can hold.',
  'checkpoint-identifier-length': 'Names in the header of a checkpoint fit their place.',
  'checkpoint-cookie-first': 'The cookie of a checkpoint is written before everything else.',
  'checkpoint-cookie-length': 'A cookie in a checkpoint has 1 to 8,192 bytes.',
  'checkpoint-sessions-first': 'The sessions of a checkpoint are written before its state.',
  'checkpoint-slot': 'The name of a checkpoint is a slot.',
  'deliveries-jump-forward': 'A checkpoint is handed over in the place of decrees that were not.',
  'restored-forward': 'A state that was restored is behind a later slot than the one before it.',

  // Media.
  'checksum-range-in-bytes': 'A checksum is of bytes that are there.',
  'medium-starts-once': 'A medium is started once.',
  'memory-is-live': 'Memory is written back and released while it is out, and by the medium that it is of.',
  'persist-in-blocks': 'What is made durable begins and ends at blocks.',
  'persist-range': 'What is made durable lies within its segment.',
  'segment-is-new': 'A segment is created under a number that no segment has.',
  'segment-number': 'A segment number is an integer of at least 0.',
  'ticket-follows': 'Tickets of persists count up, one by one.',
  'truncate-after-release': 'A segment is cut when nobody writes to it.',

  // Transports and the ring.
  'memory-network-unique-name': 'Each transport of a memory network has its name.',
  'memory-release-once': 'Received bytes are given back once.',
  'tcp-release-once': 'Received bytes are given back once.',
  'tls-from-the-beginning': 'Certificates are changed where there were some.',
  'transport-listen-first': 'A transport listens before it dials.',
  'transport-listen-once': 'A transport listens once.',
  'uring-event-known': 'The addon tells of events that are known here.',
  'uring-loop-released-once': 'The ring is released as often as it was taken.',
  'uring-probed-before-use': 'A ring is made where there can be one.',
  'uring-release-once': 'A receive buffer is given back once.',
  'uring-send-range': 'What is sent lies within its memory: C++ reads by address.',

  // Bounds, and unions.
  'complete-dispatch': 'Every kind of a closed union is handled.',
  'limits-block-divides-segment': 'Segments are whole blocks.',
  'limits-decree-fits-segment': 'The greatest decree fits the greatest segment.',
  'limits-default-within-bounds': 'Defaults lie within their bounds.',
  'limits-defaults-agree': 'The defaults do not conflict, whatever the size of segments.',
  'limits-fetch-fits-frame': 'What is fetched at once fits a frame.',
  'limits-heartbeats-fit-election-timeout': 'Heartbeats fit the shortest election timeout more than once.',
  'limits-lengths-fit-32-bits': 'Lengths fit 32 bits.',
  'limits-segment-power-of-two': 'Segment sizes are powers of two.',
};
