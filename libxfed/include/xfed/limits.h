/*
 * Every limit and protocol timer: name, unit, source. Timers are in milliseconds. A daemon's configuration may lower some of them; nothing
 * raises a hard maximum.
 *
 * "Used up by" says who can use a limit up, and who suffers from that. A stranger has not authenticated, a partner has; a user is a user of
 * ours behind a SIP server that may send; a link is an edge or a gateway with an accepted certificate. "Itself": the limit belongs to one
 * stream, connection, request or message, and nobody else suffers. For shared limits it says how they are shared: nothing counts against an
 * identity before it is authenticated, strangers share by address and network, our own actions have a reserve, and what is refused uses up
 * nothing.
 */
#ifndef XFED_LIMITS_H
#define XFED_LIMITS_H

/*
 * XML reader ([A2], measured with libxml2 2.9.14). Used up by the sender on the stream, stranger or partner: itself. The time for new names
 * and new parsers is limited per turn (S2S_TURN).
 */
#define XFED_XML_SLICE_BYTES	    4096	  /* given to the parser at once */
#define XFED_XML_SILENT_BYTES	    (16 * 1024)	  /* between two events of the parser */
#define XFED_XML_SILENT_CDATA_BYTES (64 * 1024)	  /* the same within CDATA */
#define XFED_XML_DEPTH_MAX	    32		  /* elements below the stream root */
#define XFED_XML_ATTRS_MAX	    64		  /* attributes and namespace declarations of one element */
#define XFED_XML_NODES_MAX	    4096	  /* elements and text nodes of one stanza */
#define XFED_XML_NAMES_BYTES	    (1024 * 1024) /* memory of distinct names, after which a new parser is made */
#define XFED_XML_RENEW_STANZAS	    5000
#define XFED_XML_RENEW_STANZA_BYTES (16 * 1024) /* after a larger stanza a new parser is made */
#define XFED_XML_IDLE_HIBERNATE_MS  5000
/* hard maximum, [A10-11]: above it the stream ends; between the partner's limit and this only the stanza is refused */
#define XFED_STANZA_BYTES_MAX	  (256 * 1024)
#define XFED_STANZA_BYTES_MIN	  10000 /* lowest value of the limit, ours or a peer's, [A10-11] */
#define XFED_STANZA_BYTES_DEFAULT (64 * 1024)
#define XFED_UNAUTH_STANZA_BYTES  (16 * 1024) /* first-level elements before authentication */

/* Addresses, RFC 7622 section 3.1. Used up by the author of one: itself. */
#define XFED_JID_PART_BYTES 1023
#define XFED_JID_BYTES	    3071
#define XFED_DOMAIN_POINTS  253 /* code points of a domain, and of one label: RFC 1035 section 2.3.4 */
#define XFED_LABEL_POINTS   63

/*
 * s2s streams. Used up by:
 *   ESTABLISH, AUTH_TRIES, CLOSE_WAIT   a stranger: itself; for so long it holds one of limits.unauthenticated, see below
 *   INACTIVITY, PING, ACTIONS, TURN     a partner: itself
 *   OUTPUT                              a partner that does not read: itself, and users who write to it (refused, not kept waiting)
 *   CONNECTIONS partners, up to the part reserved for streams of ours; users who write to many domains, up to the part
 *                                       reserved for partners. Strangers never have more of it than limits.unauthenticated
 *   DIALLED_PARTNER a partner with many names that queries us from each, users who write to many of its domains: users who
 *                                       write to others of its domains
 *   DIALLED_ANSWERS                     several such partners together: answers to others wait, messages of users do not
 *   CONNECTIONS_PARTNER                 the partner alone, by authenticated streams: itself
 *   CONNECT_TIMEOUT                     a partner's addresses: users who write to it
 */
#define XFED_S2S_ESTABLISH_MS		 60000
#define XFED_S2S_INACTIVITY_MS		 600000
#define XFED_S2S_PING_MS		 300000 /* after so long without traffic we send a ping, before inactivity ends the stream */
#define XFED_S2S_CLOSE_WAIT_MS		 5000	/* for the peer's closing tag */
#define XFED_S2S_AUTH_TRIES		 3
#define XFED_S2S_ACTIONS_MAX		 16
#define XFED_S2S_TURN_ELEMENTS		 16 /* first-level elements of one stream before others have their turn */
#define XFED_S2S_OUTPUT_BYTES		 (1024 * 1024)
#define XFED_CONNECTIONS_MAX		 1000
#define XFED_CONNECTIONS_RESERVE_PERCENT 10 /* of limits.connections, reserved for each direction */
#define XFED_CONNECTIONS_PARTNER	 20
#define XFED_DIALLED_PARTNER_PERCENT	 25    /* of the part for streams of ours: for one partner with all its domains */
#define XFED_DIALLED_ANSWERS_PERCENT	 50    /* of the same: for streams with nothing but errors and answers to queries */
#define XFED_S2S_ANSWERED_MS		 30000 /* a stream of ours with nothing else is closed so long after the last one */
#define XFED_CONNECT_TIMEOUT_MS		 10000

/*
 * Shares of those who have not authenticated, by address and network (xfed/rt/source.h): streams to 5269 (limits.unauthenticated), streams
 * of ours that their keys cause (as many), handshakes on the channel, SIP connections. Used up by strangers: others of the same address;
 * from two addresses of a network, others of that network; from many networks, everybody who has not authenticated yet, until their time is
 * over. Authenticated peers do not suffer. REMEMBERED: strangers of many addresses; then budgets of older addresses are full again, and
 * these are logged once more.
 */
#define XFED_SOURCES_REMEMBERED	   4096 /* addresses and networks in one table that hold nothing at present */
#define XFED_SHARE_ADDRESS_PERCENT 25	/* of the total: one address (IPv6: one /64) */
#define XFED_SHARE_NETWORK_PERCENT 50	/* of the total: one network (a /24, a /48) */

/*
 * Work a peer can cause besides its stanzas. A unit is a first-level element, a label of an address that IDNA has to process, or a number
 * of bytes before authentication; a dialback key costs more. A partner that proves 64 pairs at once, or has its keys verified on a
 * connection of its own, stays far below.
 */
#define XFED_S2S_WORK_UNITS  1024 /* at once, on one stream */
#define XFED_S2S_WORK_PER_S  128  /* in the long run, on one stream */
#define XFED_S2S_WORK_KEY    2	  /* for a key to be verified, here or elsewhere */
#define XFED_S2S_WORK_BYTES  1024
#define XFED_S2S_WORK_STANZA 2	   /* returned for each stanza in either direction, for its <r/> and <a/> */
#define XFED_S2S_WORK_LOGIN  32	   /* for each stream, not counted against its address: what an authentication needs, or a key */
#define XFED_S2S_WORK_TOTAL  32768 /* at once, without authentication: one address has limits.address_share of it, one network network_share */
/* for starting a TLS handshake; from a second budget of the same size, so that elements keep nobody from authenticating */
#define XFED_S2S_WORK_TLS     8
#define XFED_S2S_WORK_UNIT_US 250  /* one more unit for so much CPU time of a handshake beyond that */
#define XFED_S2S_WORK_FULL_MS 8000 /* in this time an empty budget of an address or network is full again */

/* Stream management, XEP-0198. Used up by a partner: itself; UNACKED also: users who write to it (they wait, then are refused). */
#define XFED_S2S_SM_ACK_MS	30000 /* for the answer to <r/> or <enable/> */
#define XFED_S2S_SM_AGAIN_MS	5000  /* after an answer that left stanzas open: time to the next <r/> */
#define XFED_S2S_SM_TELL_COUNT	20    /* so many stanzas received and settled: acknowledged without <r/> */
#define XFED_S2S_SM_TELL_MS	5000  /* or after this time */
#define XFED_S2S_SM_UNACKED_MAX 1024  /* stanzas of ours without acknowledgement; above it they wait */
#define XFED_S2S_SM_SPAN	16384 /* received, from the oldest not settled to the newest; 60 s of 270 a second */

/*
 * Dialback, XEP-0220. All for one stream: used up by a stranger or partner: itself. The streams of ours that keys cause are for one pair of
 * domains each, and shared among strangers, see above; a peer that has proved a pair may cause more. PAIRS, on a stream of ours that asks:
 * used up by strangers who use one partner's name; questions without place wait (PLACE), and the networks they come from take turns.
 */
#define XFED_DIALBACK_MS	   30000	 /* for one verdict or answer, with connecting (2.1.1) */
#define XFED_DIALBACK_PLACE_MS	   20000	 /* for a place on the stream that asks; then resource-constraint */
#define XFED_DIALBACK_PAIRS_MAX	   64		 /* on one stream */
#define XFED_DIALBACK_WAITING_MAX  16		 /* keys of one incoming stream being verified */
#define XFED_DIALBACK_REFUSALS_MAX 16		 /* on a stream that has proved no pair */
#define XFED_DIALBACK_KEY_BYTES	   256		 /* of a key from a peer; XEP-0185 makes 64 */
#define XFED_DIALBACK_ID_BYTES	   1024		 /* of a peer's stream id */
#define XFED_DIALBACK_OUTPUT_BYTES (1024 * 1024) /* of one step: answers for every pair, with the longest names */
#define XFED_DIALBACK_ACTIONS_MAX  8

/* TLS. All for one session: used up by the peer: itself. Handshakes run in worker threads, which strangers share in order. */
#define XFED_TLS_INPUT_BYTES	     (128 * 1024) /* ciphertext queued while a job is running */
#define XFED_TLS_OUTPUT_BYTES	     (1024 * 1024)
#define XFED_TLS_SILENT_BYTES	     (64 * 1024) /* a whole handshake, and later ciphertext without plaintext */
#define XFED_TLS_CHAIN_MAX	     10		 /* certificates of a peer */
#define XFED_TLS_KEY_BITS_MAX	     4096	 /* of a peer's certificate (RSA); the exponent determines what a signature costs */
#define XFED_TLS_ISSUER_KEY_BITS_MAX 8192
#define XFED_TLS_EXPONENT_BYTES_MAX  8
#define XFED_TLS_HANDSHAKE_MS	     30000
#define XFED_TLS_JUDGE_S	     3600 /* a live chain is judged again after this time, because CA certificates expire and revocation lists age */

/*
 * DNS. TIMEOUT, TRIES, CNAMES, RECORDS: used up by the owner of a zone: users who write to it. CACHE: by whoever makes us ask for many
 * names (a user or a stranger's key, within the domains of a partner): answers for others are asked for again, nothing is refused.
 */
#define XFED_DNS_TIMEOUT_MS    2000 /* for one query to one server */
#define XFED_DNS_TRIES	       3
#define XFED_DNS_CNAMES_MAX    8
#define XFED_DNS_TTL_MIN_S     5
#define XFED_DNS_TTL_MAX_S     86400
#define XFED_DNS_RECORDS_MAX   64
#define XFED_DNS_CACHE_ENTRIES 4096
#define XFED_DNS_EDNS_BYTES    1232

/*
 * The channel between edge and gateway (proto/channel.md). Used up by:
 *   FRAME, ARENA, PING, DEAD, PACE, PUMP, SETTLED, POLICY   the link: itself; a partner determines no more of a frame than one stanza
 *   CREDIT            partners and users together: shared in turns by bytes (SHARE_QUANTUM); a partner's flood waits in its own queue
 *   UNAUTH, HELLO     strangers on the internal side: a quarter per address; when a gateway connects, the oldest that has had
 *                     ROOM_AFTER makes room: a handshake takes a few ms
 *   LINKS_MAX         gateways with an accepted certificate: other gateways, which are refused (policy.connections.exceeded)
 *   REDIAL            an edge that is down: itself
 */
#define XFED_FRAME_BYTES_MAX	   (260 * 1024)
#define XFED_FRAME_ARENA_BYTES	   (4 * XFED_FRAME_BYTES_MAX)
#define XFED_CHANNEL_HELLO_MS	   10000
#define XFED_CHANNEL_PING_MS	   5000
#define XFED_CHANNEL_DEAD_MS	   15000
#define XFED_CHANNEL_ANSWER_MS	   20000 /* for a peer that answers pings and not a question about deliveries */
#define XFED_CHANNEL_REDIAL_MIN_MS 250
#define XFED_CHANNEL_REDIAL_MAX_MS 5000
#define XFED_CHANNEL_CREDIT_MSGS   1024
#define XFED_CHANNEL_CREDIT_BYTES  (4 * 1024 * 1024)
#define XFED_PACE_QUEUE_MS	   4	/* how long deliveries to the peer should wait at most for others to be taken over */
#define XFED_PACE_WINDOW_MIN	   16	/* initial and lowest number of deliveries in flight: 2 ms of work for a gateway */
#define XFED_PACE_UNIT_BYTES	   4096 /* a large delivery counts once more per so many bytes */
#define XFED_CHANNEL_PUMP_MSGS	   256	/* deliveries written to one link in one turn */
#define XFED_CHANNEL_SETTLED_MS	   5	/* how long "delivered" may wait for other frames */
#define XFED_CHANNEL_SETTLED_MAX   64	/* or until there are so many */
#define XFED_CHANNEL_UNAUTH_MAX	   16	/* concurrent handshakes of unknown peers */
#define XFED_CHANNEL_ROOM_AFTER_MS 1000 /* an older handshake makes room for a new one */
#define XFED_CHANNEL_LINKS_MAX	   64	/* links of one edge that are up: as many as its outbox has room for gateways */
#define XFED_POLICY_PART_BYTES	   (64 * 1024)
#define XFED_POLICY_BYTES_MAX	   (64 * 1024 * 1024)

/*
 * Delivery (proto/delivery.md). Used up by:
 *   DEADLINE, SIP_LEFT, REPLAY, OUTCOME, SIP_MEMORY   nobody: times
 *   PARK, PARK_* a partner: its stream is read no faster than the gateways take stanzas; messages of users to one pair: users to that pair
 *   QUEUE             partners who write to one user, users with one slow phone: others who write to that user
 *   TABLE             a partner has at most half of the sender's table (SHARE_TABLE): two partners with floods, and gateways that take
 *                     nothing, affect the other partners: their stanzas are answered with resource-constraint (wait)
 *   EDGE_GRACE        a gateway that is gone: all partners
 */
#define XFED_DELIVERY_DEADLINE_MS 60000
#define XFED_DELIVERY_SIP_LEFT_MS 33000 /* no SIP attempt starts with less time left: Timer F is 32 s */
/* above the partner's rate a stanza may be delayed by this; one that would be delayed longer is refused, because no attempt would be left for it */
#define XFED_DELIVERY_RATE_WAIT_MS     25000
#define XFED_DELIVERY_REPLAY_MS	       15000
#define XFED_DELIVERY_OUTCOME_MS       120000
#define XFED_DELIVERY_SIP_MEMORY_MS    64000
#define XFED_DELIVERY_PARK_BYTES       (256 * 1024)
#define XFED_DELIVERY_PARK_COUNTED     400  /* with stream management: peers keep no more than about 500 (Prosody) */
#define XFED_DELIVERY_PARK_SLOW	       200  /* with stream management: above it the stream is read no faster than the gateways take */
#define XFED_DELIVERY_PARK_PATIENCE_MS 1000 /* unless they have taken nothing for so long; then it is read on, up to the limit */
/* for one recipient, shared by partners; a quarter more is reserved for partners that find the queue filled by others */
#define XFED_DELIVERY_QUEUE_MSGS  256
#define XFED_DELIVERY_QUEUE_BYTES (512 * 1024)
#define XFED_DELIVERY_TABLE_MAX	  65536
#define XFED_DELIVERY_TABLE_BYTES ((size_t)256 * 1024 * 1024)
#define XFED_SHARE_QUANTUM_BYTES  4096 /* of one partner in its turn: about ten messages */
#define XFED_SHARE_TABLE_PERCENT  50   /* of the sender's table, for one partner */
#define XFED_EDGE_GRACE_MS	  30000

/*
 * SIP, RFC 3261 table 4. Used up by:
 *   MESSAGE, HEADER*, PARAMS, UDP_REQUEST, MAX_REQUEST   the sender: itself
 *   TRANSACTIONS, SERVER_BYTES   SIP servers that may send, up to the part reserved for requests of ours; strangers hold none
 *   CONNECTIONS       SIP servers that may send, and ours to next hops, each up to the part reserved for the other; strangers
 *                     share limits.unauthenticated of them by address and network, for UNPROVED_MS at most
 *   ANSWER_WITHIN, ERROR_HOLD   a partner that does not answer: the user who wrote to it
 *   LOCATE_*, FAILED  the zone and the places of a next hop: its domain
 *   DIALOGS           SIP servers that may send, and users here who subscribe or call; strangers hold none
 *   QUEUE, HOP_PERCENT   partners whose messages wait for one next hop: others to that hop; a hop never has more than its percentage
 *                     of what may wait in the gateway (credit is returned when a delivery is queued, so the window is not blocked)
 *   PACE              messages to one place, from all: they wait for some ms; the limit on transactions bounds the queue
 */
#define XFED_SIP_T1_MS		    500
#define XFED_SIP_T2_MS		    4000
#define XFED_SIP_T4_MS		    5000
#define XFED_SIP_TIMER_F_MS	    (64 * XFED_SIP_T1_MS)
#define XFED_SIP_TIMER_N_MS	    (64 * XFED_SIP_T1_MS) /* within this time a NOTIFY has to come (RFC 6665 section 4.1.2.4) */
#define XFED_SIP_SUBSCRIPTION_MAX_S 86400
#define XFED_SIP_RESUBSCRIBE_MIN_MS                                                                                                                  \
	30000 /* when a subscription that failed is tried again; from the third time in a row on doubled up to the maximum */
#define XFED_SIP_RESUBSCRIBE_MAX_MS 1800000
#define XFED_SIP_RETRY_AFTER_MIN_MS 1000 /* what a Retry-After of a SIP server counts at least, doubled with each failure in a row; and at most: */
#define XFED_SIP_RETRY_AFTER_MAX_S  3600
#define XFED_SIP_NOTIFY_BURST	    3 /* NOTIFYs of one subscription at once, and one more per interval */
#define XFED_SIP_NOTIFY_EVERY_MS    5000
#define XFED_SIP_NOTIFY_PATIENCE_MS 60000	/* at most, between two attempts of one that reaches nobody */
#define XFED_SIP_UDP_REFRESH_S	    600		/* at most, between refreshes over UDP, where a restart of the peer is not seen */
#define XFED_SIP_MESSAGE_BYTES	    (64 * 1024) /* of one message on a stream, header and body */
/* a body up to this is skipped, and its request answered with 413; above it the connection is closed */
#define XFED_SIP_SKIP_BYTES		      (1024 * 1024)
#define XFED_SIP_HEADER_BYTES		      (16 * 1024)
#define XFED_SIP_HEADERS_MAX		      128
#define XFED_SIP_UDP_REQUEST_BYTES	      1300 /* [C3-02] */
#define XFED_SIP_PACE_BURST		      64   /* requests over UDP to one place: a default socket buffer, 208 KiB, holds 166 of 1 KiB */
#define XFED_SIP_PACE_PER_MS		      32
#define XFED_SIP_PACE_MS		      2 /* time to the next batch */
#define XFED_SIP_MAX_REQUEST		      (15 * 1024)
#define XFED_SIP_SESSION_HOLD_MS	      3000   /* how long an INVITE waits for the answer to one of ours to the same user */
#define XFED_SIP_ROUTES_MAX		      16     /* proxies on the way of a dialog */
#define XFED_SIP_FORKS_MAX		      32     /* 2xx of other devices to one INVITE whose dialogs are ended with BYE */
#define XFED_SIP_DIALOGS_MAX		      500000 /* subscriptions, of which presence bounds its own, and sessions, in both directions */
#define XFED_SIP_TRANSACTIONS_MAX	      65536
#define XFED_SIP_SERVER_BYTES		      (128 * 1024 * 1024) /* memory of transactions of peers */
#define XFED_SIP_TRANSACTIONS_RESERVE_PERCENT 10		  /* of transactions, reserved for requests of ours */
#define XFED_SIP_CONNECTIONS_MAX	      1024
#define XFED_SIP_UNPROVED_MS		      30000 /* life of a connection whose peer has not shown that it may send */
#define XFED_SIP_ANSWER_WITHIN_MS	      10000
#define XFED_SIP_ERROR_HOLD_MS		      1000
#define XFED_SIP_LOCATE_NAPTRS		      4	 /* RFC 3263: NAPTR records used per answer */
#define XFED_SIP_LOCATE_TARGETS		      16 /* SRV records used per look-up */
#define XFED_SIP_LOCATE_ADDRESSES	      8	 /* used per A or AAAA answer */
#define XFED_SIP_LOCATE_RESULTS		      32 /* places per look-up */

#define XFED_SIP_FAILED_MS   30000		     /* for so long a place that could not be connected to is tried last */
#define XFED_SIP_QUEUE_MSGS  XFED_DELIVERY_TABLE_MAX /* waiting for SIP or in flight */
#define XFED_SIP_HOP_PERCENT 30			     /* of what may wait, for one next hop (proto/delivery.md, Flow control) */

/* A copy of a store that is to be restored. Ten times what 5,000,000 contacts take; it is read once, at more than 100 MB/s. */
#define XFED_STORE_COPY_BYTES (UINT64_C(4) * 1024 * 1024 * 1024)

/*
 * Failures that are reported and kept, and what edges report. The limits follow from what a person can read, and from memory: 1.5 KB per
 * slot of the fold, up to 10 KB per network of the journal. Used up by:
 *   FOLD_NAME, FOLD_NETWORK   strangers of a network: others of it under the same name, or (NETWORK) a listed one; a count and the
 *                     last one are reported when the window ends
 *   FOLD_ALL          without LISTED, strangers of many networks who claim no listed partner's name: others who claim none
 *   FOLD_LISTED, FOLD_PARTNER   strangers of many networks who claim listed names: others who do; but of each name the first in a
 *                     window is reported at once, and the last that is kept when the window ends
 *   FOLD_SLOTS        strangers of many networks: others who claim no listed name; under listed names others of the same name, who
 *                     are then counted as one
 *   JOURNAL_EDGE_ROWS, _MS    an edge: itself; what exceeds them is counted beside its rows
 *   JOURNAL_EDGES     edges: those heard of last, which share the last place
 *   JOURNAL_NETWORKS  strangers of many networks who claim no listed name: others who claim none
 *   JOURNAL_NAME_NETWORKS     strangers of several networks who claim one listed name: others under that name
 *   JOURNAL_NAMES     nobody, if fewer partners are listed; else strangers who claim them all: the name not heard of for longest
 *   JOURNAL_CLAIMS    strangers of a network: names claimed from it before are not shown
 *   LABELS_FREE       an edge: its own metrics
 */
#define XFED_FOLD_WINDOW_MS	   10000
#define XFED_FOLD_SLOTS		   512	/* networks at a time, and as many again for networks that claim listed names */
#define XFED_FOLD_NAME		   10	/* per window, of one network under one listed name; all other names count as one */
#define XFED_FOLD_NETWORK	   50	/* per window, of one network under listed names */
#define XFED_FOLD_PARTNER	   50	/* per window, under one listed name, from all networks */
#define XFED_FOLD_ALL		   500	/* per window, in all */
#define XFED_FOLD_LISTED	   250	/* per window, of that total reserved for listed names */
#define XFED_JOURNAL_EDGE_ROWS	   1000 /* of one edge at once */
#define XFED_JOURNAL_EDGE_MS	   1000 /* and one more per this time */
#define XFED_JOURNAL_EDGES	   64	/* edges with a share and strangers of their own */
#define XFED_JOURNAL_NETWORKS	   64	/* per edge: networks that claim no listed name; the one not heard of for longest makes room */
#define XFED_JOURNAL_NAME_NETWORKS 4	/* per edge and listed name: networks */
#define XFED_JOURNAL_NAMES	   2048 /* per edge: listed names that are claimed */
#define XFED_JOURNAL_CLAIMS	   8	/* names claimed from one network that are shown, the last ones */
#define XFED_LABELS_FREE	   1024 /* per set of an edge's metrics: label values that no table of ours knows */

/*
 * Monitoring over HTTP. CONNECTIONS: used up by clients that reach the listening address, a quarter per address: each other; all of them
 * together can keep others out only until they are closed for silence.
 */
#define XFED_HTTP_CONNECTIONS	      32
#define XFED_HTTP_CONNECTIONS_ADDRESS 8

/*
 * The control panel. All of it is on a thread of low priority but for what stands under TURN and LOGINS. Used up by:
 *   CONNECTIONS       who reaches the listener, a share per address and network: each other, until REQUEST_MS or RESPONSE_MS is over
 *   HEADER, FORM, FIELDS   the client: itself
 *   CALLS, TURN       clients together: each other, who are told to try again; the loop takes TURN of them in one turn
 *   PAGE              whoever asks for so much: that page
 *   SESSIONS          who can sign in: the session unused for longest ends; SESSIONS_NAME: by somebody with that name, of his own
 *   LOGINS            who has tries left: others who sign in, for as long as as many hashes take (one at a time, on a worker thread)
 *   TRIES_ADDRESS, _NETWORK   an address, a network: itself; TRIES_NAME: who tries that name: others who do, but from where it
 *                     signed in last. What succeeds does not count
 */
#define XFED_PANEL_CONNECTIONS	   128
#define XFED_PANEL_ADDRESS_PERCENT 13 /* of these, for one address: a browser has six */
#define XFED_PANEL_NETWORK_PERCENT 38
#define XFED_PANEL_REQUEST_MS	   20000 /* for a whole request, and for the next one on its connection */
#define XFED_PANEL_RESPONSE_MS	   60000 /* for taking a whole answer */
#define XFED_PANEL_HEADER_BYTES	   (16 * 1024)
#define XFED_PANEL_FORM_BYTES	   (64 * 1024)
#define XFED_PANEL_PAGE_BYTES	   (8 * 1024 * 1024)
#define XFED_PANEL_CALLS	   32 /* requests that wait for the loop, or for an answer of a command */
#define XFED_PANEL_TURN		   4  /* of these, begun in one turn of the loop */
#define XFED_PANEL_SESSIONS	   256
#define XFED_PANEL_SESSIONS_NAME   16
#define XFED_PANEL_LOGINS	   8 /* that wait for their hash */
#define XFED_PANEL_TRIES_ADDRESS   10
#define XFED_PANEL_TRIES_NETWORK   40
#define XFED_PANEL_TRIES_NAME	   10
#define XFED_PANEL_TRIES_MS	   300000 /* in which all tries come back */

/*
 * Control socket. REQUEST: used up by the client: itself. CLIENTS: by administrators: each other. READERS: by group xfed-read: each other,
 * and one that was idle for READER_IDLE makes room; the rest is reserved for administrators. Everybody else is disconnected at once.
 */
#define XFED_CONTROL_REQUEST_BYTES  (64 * 1024)
#define XFED_CONTROL_CLIENTS	    8
#define XFED_CONTROL_READERS	    4 /* of these: clients that may only look */
#define XFED_CONTROL_READER_IDLE_MS 10000

/* A change of a file that xfedctl has begun keeps others waiting: used up by administrators, each other. */
#define XFED_CHANGE_HOLD_MS 30000

/*
 * The last changes, and the last failed logins, kept for `audit list`: used up by administrators, and by whoever reaches the panel's port, each
 * their own. TEXT: of each of their texts.
 */
#define XFED_AUDIT_ENTRIES    1000
#define XFED_AUDIT_TEXT_BYTES 512

/*
 * What carries out the panel's changes of files: used up by administrators at the panel, each other. WAIT: for its answer. CHILDREN: changes
 * that are under way at once. READ: how long a request may take to arrive.
 */
#define XFED_WRITER_CHILDREN 4
#define XFED_WRITER_WAIT_MS  10000
#define XFED_WRITER_READ_MS  5000

#endif
