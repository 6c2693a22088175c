/*
 * Every limit and protocol timer: name, unit, source. Timers in milliseconds. A daemon's configuration may lower
 * some of them; nothing raises a hard maximum.
 */
#ifndef XFED_LIMITS_H
#define XFED_LIMITS_H

/* XML reader ([A2], reference measurements of libxml2 2.9.14) */
#define XFED_XML_SLICE_BYTES	      4096	     /* most handed to the parser at once */
#define XFED_XML_SILENT_BYTES	      (16 * 1024)    /* most between two parser events */
#define XFED_XML_SILENT_CDATA_BYTES   (64 * 1024)    /* the same inside CDATA */
#define XFED_XML_DEPTH_MAX	      32	     /* elements below the stream root */
#define XFED_XML_ATTRS_MAX	      64	     /* attributes and namespace declarations of one element */
#define XFED_XML_NODES_MAX	      4096	     /* elements and text runs of one stanza */
#define XFED_XML_NAMES_BYTES	      (1024 * 1024)  /* distinct names before the parser is made anew */
#define XFED_XML_RENEW_STANZAS	      5000
#define XFED_XML_RENEW_STANZA_BYTES   (16 * 1024)    /* a stanza above this renews the parser */
#define XFED_XML_IDLE_HIBERNATE_MS    5000
#define XFED_STANZA_BYTES_MAX	      (256 * 1024)   /* hard maximum, [A10-11]: above it the stream ends; from the partner's limit to here the stanza is refused */
#define XFED_STANZA_BYTES_MIN	      10000	     /* no limit may be set below this, or is believed of a peer, [A10-11] */
#define XFED_STANZA_BYTES_DEFAULT     (64 * 1024)
#define XFED_UNAUTH_STANZA_BYTES      (16 * 1024)    /* first-level elements before authentication */

/* Addresses, RFC 7622 section 3.1 */
#define XFED_JID_PART_BYTES 1023
#define XFED_JID_BYTES	    3071

/* s2s streams */
#define XFED_S2S_ESTABLISH_MS	  60000
#define XFED_S2S_INACTIVITY_MS	  600000
#define XFED_S2S_PING_MS	  300000 /* our own ping before inactivity ends a stream */
#define XFED_S2S_CLOSE_WAIT_MS	  5000	 /* for the peer's closing tag */
#define XFED_S2S_AUTH_TRIES	  3
#define XFED_S2S_ACTIONS_MAX	  16
#define XFED_S2S_TURN_STANZAS	  16 /* of one stream before the others have their part */
#define XFED_S2S_OUTPUT_BYTES	  (1024 * 1024)
#define XFED_CONNECTIONS_MAX	  1000
#define XFED_CONNECTIONS_PARTNER  20
#define XFED_CONNECT_TIMEOUT_MS	  10000

/* Stream management, XEP-0198 */
#define XFED_S2S_SM_ACK_MS	30000 /* for the answer to <r/> or <enable/> */
#define XFED_S2S_SM_AGAIN_MS	5000  /* an answer that left stanzas open: asked again then */
#define XFED_S2S_SM_UNACKED_MAX 1024  /* stanzas of ours written and not acknowledged; above it they wait */
#define XFED_S2S_SM_SPAN	16384 /* received: from the oldest not covered to the newest; 60 s of 270 a second */

/* Dialback, XEP-0220 */
#define XFED_DIALBACK_MS	   30000 /* for one verdict or answer, connecting included (2.1.1) */
#define XFED_DIALBACK_PAIRS_MAX	   64	 /* on one stream */
#define XFED_DIALBACK_WAITING_MAX  16	 /* keys of one incoming stream being verified */
#define XFED_DIALBACK_REFUSALS_MAX 16	 /* on a stream that has proved nothing */
#define XFED_DIALBACK_KEY_BYTES	   256	 /* keys of others; XEP-0185 makes 64 */
#define XFED_DIALBACK_ID_BYTES	   1024	 /* a peer's stream id */
#define XFED_DIALBACK_OUTPUT_BYTES (1024 * 1024) /* of one step: every pair with the longest names */
#define XFED_DIALBACK_ACTIONS_MAX  8

/* TLS */
#define XFED_TLS_INPUT_BYTES	 (128 * 1024) /* ciphertext queued while a job runs */
#define XFED_TLS_OUTPUT_BYTES	 (1024 * 1024)
#define XFED_TLS_SILENT_BYTES	 (64 * 1024) /* a whole handshake, and later what may come without plaintext */
#define XFED_TLS_CHAIN_MAX	 10 /* certificates of a peer */
#define XFED_TLS_HANDSHAKE_MS	 30000

/* DNS */
#define XFED_DNS_TIMEOUT_MS	 2000 /* one query to one server */
#define XFED_DNS_TRIES		 3
#define XFED_DNS_CNAMES_MAX	 8
#define XFED_DNS_TTL_MIN_S	 5
#define XFED_DNS_TTL_MAX_S	 86400
#define XFED_DNS_RECORDS_MAX	 64
#define XFED_DNS_CACHE_ENTRIES	 4096
#define XFED_DNS_EDNS_BYTES	 1232

/* The channel between edge and gateway (proto/channel.md) */
#define XFED_FRAME_BYTES_MAX	  (260 * 1024)
#define XFED_FRAME_ARENA_BYTES	  (4 * XFED_FRAME_BYTES_MAX)
#define XFED_CHANNEL_HELLO_MS	  10000
#define XFED_CHANNEL_PING_MS	  5000
#define XFED_CHANNEL_DEAD_MS	  15000
#define XFED_CHANNEL_REDIAL_MIN_MS 250
#define XFED_CHANNEL_REDIAL_MAX_MS 5000
#define XFED_CHANNEL_CREDIT_MSGS  1024
#define XFED_CHANNEL_CREDIT_BYTES (4 * 1024 * 1024)
#define XFED_PACE_QUEUE_MS	  4  /* most that deliveries should wait on the way to the peer for others to be taken */
#define XFED_PACE_WINDOW_MIN	  16 /* deliveries on the way, and to begin with: 2 ms of work of a gateway */
#define XFED_PACE_UNIT_BYTES	  4096 /* of large ones, which count as so many more */
#define XFED_CHANNEL_PUMP_MSGS	  256  /* deliveries written to one link in one turn */
#define XFED_CHANNEL_SETTLED_MS	  5  /* what went well is told with what goes anyway, or so much later */
#define XFED_CHANNEL_SETTLED_MAX  64 /* ... or when it is so many */
#define XFED_CHANNEL_UNAUTH_MAX	  8 /* handshakes of unknown peers at a time */
#define XFED_POLICY_PART_BYTES	  (64 * 1024)
#define XFED_POLICY_BYTES_MAX	  (64 * 1024 * 1024)

/* Delivery (design: delivery contract) */
#define XFED_DELIVERY_DEADLINE_MS     60000
#define XFED_DELIVERY_SIP_LEFT_MS     33000 /* no SIP attempt starts with less: Timer F is 32 s */
#define XFED_DELIVERY_REPLAY_MS	      15000
#define XFED_DELIVERY_OUTCOME_MS      120000
#define XFED_DELIVERY_SIP_MEMORY_MS   64000
#define XFED_DELIVERY_PARK_BYTES      (256 * 1024)
#define XFED_DELIVERY_PARK_COUNTED   400 /* with stream management: peers keep no more than about 500 (Prosody) */
#define XFED_DELIVERY_PARK_SLOW	     200 /* ... from here on the stream is read no faster than the gateways take */
#define XFED_DELIVERY_PARK_PATIENCE_MS 1000 /* ... for so long without any progress; then it is read on, up to the 400 */
#define XFED_DELIVERY_QUEUE_MSGS      256
#define XFED_DELIVERY_QUEUE_BYTES     (512 * 1024)
#define XFED_DELIVERY_TABLE_MAX	      65536
#define XFED_DELIVERY_TABLE_BYTES     ((size_t)256 * 1024 * 1024)
#define XFED_SHARE_QUANTUM_BYTES      4096 /* of one partner in its turn: about ten messages */
#define XFED_SHARE_TABLE_PERCENT      50   /* of the sender's table, for one partner */
#define XFED_EDGE_GRACE_MS	      30000

/* SIP, RFC 3261 table 4 */
#define XFED_SIP_T1_MS		  500
#define XFED_SIP_T2_MS		  4000
#define XFED_SIP_T4_MS		  5000
#define XFED_SIP_TIMER_F_MS	  (64 * XFED_SIP_T1_MS)
#define XFED_SIP_DATAGRAM_BYTES	  65535
#define XFED_SIP_MESSAGE_BYTES	  (64 * 1024) /* one message on a stream, header and body */
#define XFED_SIP_SKIP_BYTES	  (1024 * 1024) /* a body up to this is read past, its request answered with 413; above it the connection ends */
#define XFED_SIP_HEADER_BYTES	  (16 * 1024)
#define XFED_SIP_HEADERS_MAX	  128
#define XFED_SIP_PARAMS_MAX	  512 /* parameters and list elements in one header block */
#define XFED_SIP_UDP_REQUEST_BYTES 1300 /* [C3-02] */
#define XFED_SIP_MAX_REQUEST	  (15 * 1024)
#define XFED_SIP_TRANSACTIONS_MAX 65536
#define XFED_SIP_CONNECTIONS_MAX  1024
#define XFED_SIP_ANSWER_WITHIN_MS 10000
#define XFED_SIP_ERROR_HOLD_MS	  1000
#define XFED_SIP_LOCATE_NAPTRS	  4  /* RFC 3263: NAPTR records used of one answer */
#define XFED_SIP_LOCATE_TARGETS	  16 /* SRV records used of one lookup */
#define XFED_SIP_LOCATE_ADDRESSES 8  /* used of one A or AAAA answer */
#define XFED_SIP_LOCATE_RESULTS	  32 /* places to try of one lookup */

#define XFED_SIP_FAILED_MS	  30000 /* a place that could not be connected to is tried last for so long */
#define XFED_SIP_QUEUE_MSGS	  XFED_DELIVERY_TABLE_MAX /* waiting for SIP or in flight */
#define XFED_SIP_HOP_PERCENT	  30 /* of what may wait, for one next hop (delivery contract, Flow control) */

/* Control socket */
#define XFED_CONTROL_REQUEST_BYTES (64 * 1024)
#define XFED_CONTROL_CLIENTS	   8

#endif
