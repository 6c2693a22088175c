/*
 * Every limit and protocol timer: name, unit, source. Timers in milliseconds. A daemon's configuration may lower
 * some of them; nothing raises a hard maximum.
 *
 * Behind "Used up by" stands who can use a limit up, and whom that hurts. A stranger has proved nothing, a partner has; a user is one
 * of ours behind a SIP server that may send; a link is an edge or a gateway with a certificate that is allowed. "Itself" is hurt
 * where the limit is of one stream, connection, request or message: nobody else feels it. What several share says how it is shared:
 * nothing counts against an identity before it is proved, strangers share by address and network, what we do ourselves has a reserve,
 * and a refusal leaves nothing behind.
 */
#ifndef XFED_LIMITS_H
#define XFED_LIMITS_H

/*
 * XML reader ([A2], reference measurements of libxml2 2.9.14).
 * Used up by who sends on the stream, stranger or partner: itself. What names and renewals cost in time, its turn bounds (S2S_TURN).
 */
#define XFED_XML_SLICE_BYTES	    4096	  /* most handed to the parser at once */
#define XFED_XML_SILENT_BYTES	    (16 * 1024)	  /* most between two parser events */
#define XFED_XML_SILENT_CDATA_BYTES (64 * 1024)	  /* the same inside CDATA */
#define XFED_XML_DEPTH_MAX	    32		  /* elements below the stream root */
#define XFED_XML_ATTRS_MAX	    64		  /* attributes and namespace declarations of one element */
#define XFED_XML_NODES_MAX	    4096	  /* elements and text runs of one stanza */
#define XFED_XML_NAMES_BYTES	    (1024 * 1024) /* distinct names before the parser is made anew */
#define XFED_XML_RENEW_STANZAS	    5000
#define XFED_XML_RENEW_STANZA_BYTES (16 * 1024) /* a stanza above this renews the parser */
#define XFED_XML_IDLE_HIBERNATE_MS  5000
#define XFED_STANZA_BYTES_MAX                                                                                                                        \
	(256 * 1024)			/* hard maximum, [A10-11]: above it the stream ends; from the partner's limit to here the stanza is refused */
#define XFED_STANZA_BYTES_MIN	  10000 /* no limit may be set below this, or is believed of a peer, [A10-11] */
#define XFED_STANZA_BYTES_DEFAULT (64 * 1024)
#define XFED_UNAUTH_STANZA_BYTES  (16 * 1024) /* first-level elements before authentication */

/* Addresses, RFC 7622 section 3.1. Used up by who writes one: itself. */
#define XFED_JID_PART_BYTES 1023
#define XFED_JID_BYTES	    3071
#define XFED_DOMAIN_POINTS  253 /* code points of a domain, and of one of its labels: RFC 1035 section 2.3.4 */
#define XFED_LABEL_POINTS   63

/*
 * s2s streams. Used up by:
 *   ESTABLISH, AUTH_TRIES, CLOSE_WAIT   a stranger: itself; so long it holds one of limits.unauthenticated, see below
 *   INACTIVITY, PING, ACTIONS, TURN     a partner: itself
 *   OUTPUT                              a partner that does not read: itself, and users who write to it (refused, not held)
 *   CONNECTIONS                         partners, up to the part that is kept for streams of ours; users who write to many domains, up to
 *                                       the part that is kept for partners. Strangers never have more of it than limits.unauthenticated
 *   DIALLED_PARTNER                     a partner of many names that asks from each, users who write to many domains of it: users who write
 *                                       to others of its domains
 *   DIALLED_ANSWERS                     several such partners together: others' answers wait, and users' messages do not
 *   CONNECTIONS_PARTNER                 the partner alone, by streams that have proved it: itself
 *   CONNECT_TIMEOUT                     a partner's addresses: users who write to it
 */
#define XFED_S2S_ESTABLISH_MS		 60000
#define XFED_S2S_INACTIVITY_MS		 600000
#define XFED_S2S_PING_MS		 300000 /* our own ping before inactivity ends a stream */
#define XFED_S2S_CLOSE_WAIT_MS		 5000	/* for the peer's closing tag */
#define XFED_S2S_AUTH_TRIES		 3
#define XFED_S2S_ACTIONS_MAX		 16
#define XFED_S2S_TURN_ELEMENTS		 16 /* of one stream before the others have their part: stanzas or not */
#define XFED_S2S_OUTPUT_BYTES		 (1024 * 1024)
#define XFED_CONNECTIONS_MAX		 1000
#define XFED_CONNECTIONS_RESERVE_PERCENT 10 /* of limits.connections, kept for each direction: streams in, streams of ours */
#define XFED_CONNECTIONS_PARTNER	 20
#define XFED_DIALLED_PARTNER_PERCENT	 25    /* of what streams of ours may have of limits.connections: to one partner, all its domains */
#define XFED_DIALLED_ANSWERS_PERCENT	 50    /* ... for errors and answers to queries alone */
#define XFED_S2S_ANSWERED_MS		 30000 /* a stream of ours that carried only those is closed so long behind the last */
#define XFED_CONNECT_TIMEOUT_MS		 10000

/*
 * Those who have proved nothing, by address and network (xfed/rt/source.h): streams at 5269 (limits.unauthenticated), streams of ours
 * that their keys cause (as many), handshakes on the channel, SIP connections. Used up by strangers: others of the same address; from
 * two addresses of a network, others of that; from many networks, everybody who has still to prove himself, until their time is over.
 * Who has proved himself is not hurt. REMEMBERED: strangers of many addresses; then older ones have their budgets back, and are told
 * of once more.
 */
#define XFED_SOURCES_REMEMBERED	   4096 /* addresses and networks of one table that hold nothing now */
#define XFED_SHARE_ADDRESS_PERCENT 25	/* of what they may take in all: one address (IPv6: one /64) */
#define XFED_SHARE_NETWORK_PERCENT 50	/* ... one network (a /24, a /48) */

/*
 * What a peer may have us do beside its stanzas. A unit is a first-level element, a label of one of its addresses that IDNA has to
 * see, or so many bytes before anything is proved; a dialback key costs more. A partner that proves 64 pairs at once, or has its
 * keys verified on a connection of its own, stays far below.
 */
#define XFED_S2S_WORK_UNITS   1024 /* at once, of one stream */
#define XFED_S2S_WORK_PER_S   128  /* ... and in the long run */
#define XFED_S2S_WORK_KEY     2	   /* a key to be verified, here or elsewhere */
#define XFED_S2S_WORK_BYTES   1024
#define XFED_S2S_WORK_STANZA  2	    /* each stanza, either way, makes room for so many: <r/> and <a/> */
#define XFED_S2S_WORK_LOGIN   32    /* of each stream, not counted against its address: what a login takes, or a key */
#define XFED_S2S_WORK_TOTAL   32768 /* at once, before anything is proved: limits.address_share of it for one address, network_share for one network */
#define XFED_S2S_WORK_TLS     8	    /* a TLS handshake begun, from a second budget of that size: elements keep nobody from logging in */
#define XFED_S2S_WORK_UNIT_US 250   /* ... and for so much CPU time of a handshake beyond that a unit more */
#define XFED_S2S_WORK_FULL_MS 8000  /* an empty budget of an address or network is full again */

/* Stream management, XEP-0198. Used up by a partner: itself, and with UNACKED users who write to it (they wait, then are refused). */
#define XFED_S2S_SM_ACK_MS	30000 /* for the answer to <r/> or <enable/> */
#define XFED_S2S_SM_AGAIN_MS	5000  /* an answer that left stanzas open: asked again then */
#define XFED_S2S_SM_TELL_COUNT	20    /* received and covered, and not asked about: acknowledged unasked ... */
#define XFED_S2S_SM_TELL_MS	5000  /* ... or then */
#define XFED_S2S_SM_UNACKED_MAX 1024  /* stanzas of ours written and not acknowledged; above it they wait */
#define XFED_S2S_SM_SPAN	16384 /* received: from the oldest not covered to the newest; 60 s of 270 a second */

/*
 * Dialback, XEP-0220. All of one stream: used up by a stranger or partner: itself. The streams of ours that keys cause are for one pair
 * of domains each and shared among strangers, see above; who has proved a pair may cause more. PAIRS, of a stream of ours that asks:
 * used up by strangers who name one partner; what finds no place waits for one (PLACE), and the networks it comes from take turns.
 */
#define XFED_DIALBACK_MS	   30000	 /* for one verdict or answer, connecting included (2.1.1) */
#define XFED_DIALBACK_PLACE_MS	   20000	 /* for a place on the stream that asks; then resource-constraint, and no time-out */
#define XFED_DIALBACK_PAIRS_MAX	   64		 /* on one stream */
#define XFED_DIALBACK_WAITING_MAX  16		 /* keys of one incoming stream being verified */
#define XFED_DIALBACK_REFUSALS_MAX 16		 /* on a stream that has proved nothing */
#define XFED_DIALBACK_KEY_BYTES	   256		 /* keys of others; XEP-0185 makes 64 */
#define XFED_DIALBACK_ID_BYTES	   1024		 /* a peer's stream id */
#define XFED_DIALBACK_OUTPUT_BYTES (1024 * 1024) /* of one step: every pair with the longest names */
#define XFED_DIALBACK_ACTIONS_MAX  8

/* TLS. All of one session: used up by the peer: itself. For handshakes there are worker threads, which strangers share in order. */
#define XFED_TLS_INPUT_BYTES	     (128 * 1024) /* ciphertext queued while a job runs */
#define XFED_TLS_OUTPUT_BYTES	     (1024 * 1024)
#define XFED_TLS_SILENT_BYTES	     (64 * 1024) /* a whole handshake, and later what may come without plaintext */
#define XFED_TLS_CHAIN_MAX	     10		 /* certificates of a peer */
#define XFED_TLS_KEY_BITS_MAX	     4096	 /* of a peer's certificate (RSA); the exponent decides what a signature costs */
#define XFED_TLS_ISSUER_KEY_BITS_MAX 8192
#define XFED_TLS_EXPONENT_BYTES_MAX  8
#define XFED_TLS_HANDSHAKE_MS	     30000
#define XFED_TLS_JUDGE_S	     3600 /* a live chain is judged again: roots expire and revocation lists age too */

/*
 * DNS. TIMEOUT, TRIES, CNAMES, RECORDS: used up by whoever owns the zone: users who write to it. CACHE: by whoever makes us ask for many
 * names (a user or a stranger's key, within the domains of a partner): others' answers are asked for again, nothing is refused.
 */
#define XFED_DNS_TIMEOUT_MS    2000 /* one query to one server */
#define XFED_DNS_TRIES	       3
#define XFED_DNS_CNAMES_MAX    8
#define XFED_DNS_TTL_MIN_S     5
#define XFED_DNS_TTL_MAX_S     86400
#define XFED_DNS_RECORDS_MAX   64
#define XFED_DNS_CACHE_ENTRIES 4096
#define XFED_DNS_EDNS_BYTES    1232

/*
 * The channel between edge and gateway (proto/channel.md). Used up by:
 *   FRAME, ARENA, PING, DEAD, PACE, PUMP, SETTLED, POLICY   the link: itself; no partner chooses what a frame holds but one stanza
 *   CREDIT            partners and users together: shared in turns by bytes (SHARE_QUANTUM), a partner's flood waits in its own queue
 *   UNAUTH, HELLO     strangers on the inside: a quarter for an address; the oldest gives way to a gateway that links, once it has
 *                     had ROOM_AFTER: a handshake takes a few ms
 *   LINKS_MAX         gateways with a certificate that is allowed: other gateways, which are not let in (policy.connections.exceeded)
 *   REDIAL            an edge that is down: itself
 */
#define XFED_FRAME_BYTES_MAX	   (260 * 1024)
#define XFED_FRAME_ARENA_BYTES	   (4 * XFED_FRAME_BYTES_MAX)
#define XFED_CHANNEL_HELLO_MS	   10000
#define XFED_CHANNEL_PING_MS	   5000
#define XFED_CHANNEL_DEAD_MS	   15000
#define XFED_CHANNEL_ANSWER_MS	   20000 /* a peer that pings, and leaves a question about deliveries open */
#define XFED_CHANNEL_REDIAL_MIN_MS 250
#define XFED_CHANNEL_REDIAL_MAX_MS 5000
#define XFED_CHANNEL_CREDIT_MSGS   1024
#define XFED_CHANNEL_CREDIT_BYTES  (4 * 1024 * 1024)
#define XFED_PACE_QUEUE_MS	   4	/* most that deliveries should wait on the way to the peer for others to be taken */
#define XFED_PACE_WINDOW_MIN	   16	/* deliveries on the way, and to begin with: 2 ms of work of a gateway */
#define XFED_PACE_UNIT_BYTES	   4096 /* of large ones, which count as so many more */
#define XFED_CHANNEL_PUMP_MSGS	   256	/* deliveries written to one link in one turn */
#define XFED_CHANNEL_SETTLED_MS	   5	/* what went well is told with what goes anyway, or so much later */
#define XFED_CHANNEL_SETTLED_MAX   64	/* ... or when it is so many */
#define XFED_CHANNEL_UNAUTH_MAX	   16	/* handshakes of unknown peers at a time */
#define XFED_CHANNEL_ROOM_AFTER_MS 1000 /* a handshake that is older gives way to a new one */
#define XFED_CHANNEL_LINKS_MAX	   64	/* up at a time, at one edge: as many as its outbox knows gateways */
#define XFED_POLICY_PART_BYTES	   (64 * 1024)
#define XFED_POLICY_BYTES_MAX	   (64 * 1024 * 1024)

/*
 * Delivery (proto/delivery.md). Used up by:
 *   DEADLINE, SIP_LEFT, REPLAY, OUTCOME, SIP_MEMORY   nobody: times
 *   PARK, PARK_*      a partner: its stream is read no faster than the gateways take; users' messages to one pair: users to that pair
 *   QUEUE             partners who write to one user, users with one slow phone: others who write to that user
 *   TABLE             a partner has half of the sender's table at most (SHARE_TABLE): two that flood, and gateways that take
 *                     nothing, hurt the other partners: their stanzas are answered resource-constraint (wait)
 *   EDGE_GRACE        a gateway that is gone: all partners
 */
#define XFED_DELIVERY_DEADLINE_MS      60000
#define XFED_DELIVERY_SIP_LEFT_MS      33000 /* no SIP attempt starts with less: Timer F is 32 s */
#define XFED_DELIVERY_RATE_WAIT_MS     25000 /* above the partner's rate: what would wait longer is refused, as no attempt would be left for it */
#define XFED_DELIVERY_REPLAY_MS	       15000
#define XFED_DELIVERY_OUTCOME_MS       120000
#define XFED_DELIVERY_SIP_MEMORY_MS    64000
#define XFED_DELIVERY_PARK_BYTES       (256 * 1024)
#define XFED_DELIVERY_PARK_COUNTED     400  /* with stream management: peers keep no more than about 500 (Prosody) */
#define XFED_DELIVERY_PARK_SLOW	       200  /* ... from here on the stream is read no faster than the gateways take */
#define XFED_DELIVERY_PARK_PATIENCE_MS 1000 /* ... for so long without any progress; then it is read on, up to the 400 */
#define XFED_DELIVERY_QUEUE_MSGS       256  /* of one recipient, shared by partners; a quarter more is kept for those who find it filled by others */
#define XFED_DELIVERY_QUEUE_BYTES      (512 * 1024)
#define XFED_DELIVERY_TABLE_MAX	       65536
#define XFED_DELIVERY_TABLE_BYTES      ((size_t)256 * 1024 * 1024)
#define XFED_SHARE_QUANTUM_BYTES       4096 /* of one partner in its turn: about ten messages */
#define XFED_SHARE_TABLE_PERCENT       50   /* of the sender's table, for one partner */
#define XFED_EDGE_GRACE_MS	       30000

/*
 * SIP, RFC 3261 table 4. Used up by:
 *   MESSAGE, HEADER*, PARAMS, UDP_REQUEST, MAX_REQUEST   who sends it: itself
 *   TRANSACTIONS, SERVER_BYTES   SIP servers that may send, up to the part that is kept for requests of ours; strangers hold none
 *   CONNECTIONS       SIP servers that may send, and ours to next hops, each up to the part that is kept for the other; strangers
 *                     share limits.unauthenticated of them by address and network, for UNPROVED_MS at most
 *   ANSWER_WITHIN, ERROR_HOLD   a partner that is silent: the user who wrote to it
 *   LOCATE_*, FAILED  the zone and the places of a next hop: its domain
 *   DIALOGS           SIP servers that may send, and users here who subscribe or call; strangers hold none
 *   QUEUE, HOP_PERCENT   partners whose messages wait for one next hop: others to that hop; a hop never has more than its percent
 *                     of what may wait in the gateway (credit comes back when a delivery is queued: the window holds nothing up)
 *   PACE              messages of all to one place: they wait for some ms; the queue is one of transactions
 */
#define XFED_SIP_T1_MS			      500
#define XFED_SIP_T2_MS			      4000
#define XFED_SIP_T4_MS			      5000
#define XFED_SIP_TIMER_F_MS		      (64 * XFED_SIP_T1_MS)
#define XFED_SIP_TIMER_N_MS		      (64 * XFED_SIP_T1_MS) /* a NOTIFY must have come (RFC 6665 section 4.1.2.4) */
#define XFED_SIP_SUBSCRIPTION_MAX_S	      86400
#define XFED_SIP_RESUBSCRIBE_MIN_MS	      30000 /* a subscription that failed is tried again; doubled up to */
#define XFED_SIP_RESUBSCRIBE_MAX_MS	      1800000
#define XFED_SIP_NOTIFY_BURST		      3 /* NOTIFYs of one subscription at once, and one more each */
#define XFED_SIP_NOTIFY_EVERY_MS	      5000
#define XFED_SIP_NOTIFY_PATIENCE_MS	      60000	  /* most between two tries of one that reaches nobody */
#define XFED_SIP_UDP_REFRESH_S		      600	  /* most between refreshes over UDP, where nobody sees that a peer was started anew */
#define XFED_SIP_MESSAGE_BYTES		      (64 * 1024) /* one message on a stream, header and body */
#define XFED_SIP_SKIP_BYTES		      (1024 * 1024) /* a body up to this is read past, its request answered with 413; above it the connection ends */
#define XFED_SIP_HEADER_BYTES		      (16 * 1024)
#define XFED_SIP_HEADERS_MAX		      128
#define XFED_SIP_UDP_REQUEST_BYTES	      1300 /* [C3-02] */
#define XFED_SIP_PACE_BURST		      64   /* requests over UDP to one place: a default socket buffer, 208 KiB, takes 166 of 1 KiB */
#define XFED_SIP_PACE_PER_MS		      32
#define XFED_SIP_PACE_MS		      2 /* the next batch */
#define XFED_SIP_MAX_REQUEST		      (15 * 1024)
#define XFED_SIP_ROUTES_MAX		      16    /* proxies in the way of a dialog */
#define XFED_SIP_DIALOGS_MAX		      16384 /* subscriptions and sessions, of both directions */
#define XFED_SIP_TRANSACTIONS_MAX	      65536
#define XFED_SIP_SERVER_BYTES		      (128 * 1024 * 1024) /* what transactions of peers hold */
#define XFED_SIP_TRANSACTIONS_RESERVE_PERCENT 10		  /* of them, kept for requests of ours */
#define XFED_SIP_CONNECTIONS_MAX	      1024
#define XFED_SIP_UNPROVED_MS		      30000 /* a connection of a peer that has not shown that it may send lives so long */
#define XFED_SIP_ANSWER_WITHIN_MS	      10000
#define XFED_SIP_ERROR_HOLD_MS		      1000
#define XFED_SIP_LOCATE_NAPTRS		      4	 /* RFC 3263: NAPTR records used of one answer */
#define XFED_SIP_LOCATE_TARGETS		      16 /* SRV records used of one lookup */
#define XFED_SIP_LOCATE_ADDRESSES	      8	 /* used of one A or AAAA answer */
#define XFED_SIP_LOCATE_RESULTS		      32 /* places to try of one lookup */

#define XFED_SIP_FAILED_MS   30000		     /* a place that could not be connected to is tried last for so long */
#define XFED_SIP_QUEUE_MSGS  XFED_DELIVERY_TABLE_MAX /* waiting for SIP or in flight */
#define XFED_SIP_HOP_PERCENT 30			     /* of what may wait, for one next hop (proto/delivery.md, Flow control) */

/*
 * Evidence: what is told and kept of failures, and what edges report. Sizes are chosen so that a person can read what is told, and by
 * memory: 1.5 KB for a slot of the fold, up to 10 KB for a network of the journal. Used up by:
 *   FOLD_NAME, FOLD_NETWORK   strangers of a network: others of it under the same name, or (NETWORK) a listed one; a count and the
 *                     last one are told when the window ends
 *   FOLD_ALL          without LISTED, strangers of many networks who name no listed partner: others who name none
 *   FOLD_LISTED, FOLD_PARTNER   strangers of many networks who claim listed names: the same; but of each name the first in a window
 *                     is told at once, and the last that is kept when the window ends
 *   FOLD_SLOTS        strangers of many networks: others who name none; under listed names others of the same name, who are then one
 *   JOURNAL_EDGE_ROWS, _MS    an edge: itself; what is beyond is counted beside its rows
 *   JOURNAL_EDGES     edges: those that are told of last, which share the last place
 *   JOURNAL_NETWORKS  strangers of many networks who name no listed partner: others who name none
 *   JOURNAL_NAME_NETWORKS     strangers of several networks who claim one listed name: others under that name
 *   JOURNAL_NAMES     nobody who lists fewer partners; else strangers who claim them all: the name silent for longest
 *   JOURNAL_CLAIMS    strangers of a network: names claimed from it before are not shown
 *   LABELS_FREE       an edge: its own metrics
 */
#define XFED_FOLD_WINDOW_MS	   10000
#define XFED_FOLD_SLOTS		   512	/* networks at a time, and as many networks and names in them of those that name listed partners */
#define XFED_FOLD_NAME		   10	/* of one listed name in one network, in a window; all names that are not listed are one */
#define XFED_FOLD_NETWORK	   50	/* ... of one network, under listed names */
#define XFED_FOLD_PARTNER	   50	/* ... of one listed name, from all networks */
#define XFED_FOLD_ALL		   500	/* ... of all */
#define XFED_FOLD_LISTED	   250	/* ... of them, for those that name listed partners */
#define XFED_JOURNAL_EDGE_ROWS	   1000 /* of one edge at once */
#define XFED_JOURNAL_EDGE_MS	   1000 /* ... and one more in so long */
#define XFED_JOURNAL_EDGES	   64	/* of which strangers and shares are kept apart */
#define XFED_JOURNAL_NETWORKS	   64	/* of strangers that name no listed partner, for each edge; the one silent for longest makes room */
#define XFED_JOURNAL_NAME_NETWORKS 4	/* the same of each listed name */
#define XFED_JOURNAL_NAMES	   2048 /* listed names that are claimed, for each edge */
#define XFED_JOURNAL_CLAIMS	   8	/* names claimed from a network that are shown, the last ones */
#define XFED_LABELS_FREE	   1024 /* of one set of an edge's metrics: labels that no table of ours can know */

/*
 * Monitoring over HTTP. CONNECTIONS: used up by who can reach the address it listens at, a quarter for one address: each other; who
 * holds all of them loses them.
 */
#define XFED_HTTP_CONNECTIONS	      32
#define XFED_HTTP_CONNECTIONS_ADDRESS 8

/*
 * Control socket. REQUEST: used up by the client: itself. CLIENTS: by administrators: each other. READERS: by group xfed-read: each other,
 * and who has done nothing for READER_IDLE gives way; administrators keep the rest. Everybody else is closed at once.
 */
#define XFED_CONTROL_REQUEST_BYTES  (64 * 1024)
#define XFED_CONTROL_CLIENTS	    8
#define XFED_CONTROL_READERS	    4 /* of them: clients that may only look */
#define XFED_CONTROL_READER_IDLE_MS 10000

#endif
