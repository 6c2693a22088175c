/*
 * The transcripts: RFC 3261 section 17 and figures 5 to 8, RFC 6026, RFC 4320, RFC 3428; times in
 * ms as table 4 gives them. Every timer from A to K and M stands in one of them.
 */
#ifndef TESTS_UNIT_SIP_SCENARIOS_H
#define TESTS_UNIT_SIP_SCENARIOS_H

#include "transcript.h"

#define B1 "z9hG4bKb1"
#define B2 "z9hG4bKb2"

/* Timers E and F over UDP: 0.5 1 2 4 4 4 4 4 4 4 s ([C2] table). */
static const struct row timer_e_and_f[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 500, TICK, .want = "send MESSAGE" },
	{ 1500, TICK, .want = "send MESSAGE" },
	{ 3500, TICK, .want = "send MESSAGE" },
	{ 7500, TICK, .want = "send MESSAGE" },
	{ 11500, TICK, .want = "send MESSAGE" },
	{ 15500, TICK, .want = "send MESSAGE" },
	{ 19500, TICK, .want = "send MESSAGE" },
	{ 23500, TICK, .want = "send MESSAGE" },
	{ 27500, TICK, .want = "send MESSAGE" },
	{ 31500, TICK, .want = "send MESSAGE" },
	{ 32000, TICK, .want = "timeout" },
	{ 32001, RESPONSE, "MESSAGE", "a", 200, "" },
};

/* A process that stood still repeats nothing behind a gap after which the server has forgotten the branch. */
static const struct row late_timer_e_is_not_repeated[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 4900, LATE, .want = "send MESSAGE" },
	{ 10000, LATE, .want = "" },
	{ 10001, RESPONSE, "MESSAGE", "a", 200, "response 200" },
};

/* Nor does it give up before it has read what came meanwhile. */
static const struct row late_timer_f_reads_first[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 40000, LATE, .want = "" },
	{ 40001, RESPONSE, "MESSAGE", "a", 200, "response 200" },
};

static const struct row late_timer_f_ends[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 40000, LATE, .want = "" },
	{ 40500, TICK, .want = "timeout" },
};

/* Over TCP nothing is repeated; Timer F alone. */
static const struct row timer_f_stream[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 1, SENT, .n = 5, .want = "" },
	{ 31999, IDLE, .want = "" },
	{ 32000, TICK, .want = "timeout" },
};

/* Section 17.1.2.2: in Proceeding Timer E is T2. 100 is not passed up. */
static const struct row proceeding_repeats_at_t2[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 100, RESPONSE, "MESSAGE", "a", 100, "" },
	{ 200, RESPONSE, "MESSAGE", "a", 100, "" },
	{ 4100, TICK, .want = "send MESSAGE" },
	{ 8100, TICK, .want = "send MESSAGE" },
	{ 9000, RESPONSE, "MESSAGE", "a", 202, "response 202" },
};

/* Timer K: copies of the response are absorbed for T4 and up to a tenth of a second more, as all of that time are forgotten together; later ones are strays. */
static const struct row timer_k[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 10, RESPONSE, "MESSAGE", "a", 404, "response 404" },
	{ 11, RESPONSE, "MESSAGE", "a", 404, "" },
	{ 12, CALL, "MESSAGE", "a", 0, "refused -5" },
	{ 5010, RESPONSE, "MESSAGE", "a", 404, "" },
	{ 5099, IDLE, .want = "" },
	{ 5100, TICK, .want = "" },
	{ 5101, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
};

static const struct row stream_client_ends_at_once[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 10, RESPONSE, "MESSAGE", "a", 200, "response 200" },
	{ 11, RESPONSE, "MESSAGE", "a", 200, "" },
	{ 12, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
};

/* Section 17.1.3: branch and CSeq method. [C2-07]: an unknown 1xx is passed on, an unknown 4xx is
 * final. */
static const struct row response_matching[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 1, RESPONSE, "OPTIONS", "a", 200, "" },
	{ 2, RESPONSE, "MESSAGE", "b", 200, "" },
	{ 3, RESPONSE, "MESSAGE", "a", 199, "response 199" },
	{ 4, RESPONSE, "MESSAGE", "a", 499, "response 499" },
};

/* [C2-07], [C3-05]: more than one Via, another's sent-by, no cookie: dropped. */
#define RESPONSE_WITH(via)                                                                                                                           \
	"SIP/2.0 200 OK\r\n" via "From: <sip:a@b>;tag=f\r\nTo: <sip:c@d>;tag=t\r\nCall-ID: call@gw\r\nCSeq: 1 MESSAGE\r\n"                           \
	"Content-Length: 0\r\n\r\n"
static const struct row stray_responses[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 1, RAW, RESPONSE_WITH("Via: SIP/2.0/UDP " GATEWAY ";branch=z9hG4bKa\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKo\r\n"), .want = "" },
	{ 2, RAW, RESPONSE_WITH("Via: SIP/2.0/UDP other.example.net;branch=z9hG4bKa\r\n"), .want = "" },
	{ 3, RAW, RESPONSE_WITH("Via: SIP/2.0/UDP " GATEWAY ":5070;branch=z9hG4bKa\r\n"), .want = "" },
	{ 4, RAW, RESPONSE_WITH("Via: SIP/2.0/UDP " GATEWAY ";branch=a\r\n"), .want = "" },
	{ 5, RAW, RESPONSE_WITH("Via: SIP/2.0/UDP GW.example.NET:5060;branch=z9hG4bKa\r\n"), .want = "response 200" },
};

/* Section 17.1.4 and delivery: what was written may have been delivered, what was not has not. */
static const struct row send_fails[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 5, FAILED, .n = 0, .want = "error" },
	{ 6, RESPONSE, "MESSAGE", "a", 200, "" },
	{ 7, CALL, "MESSAGE", "b", 0, "send MESSAGE" },
	{ 8, FAILED, .n = 1, .want = "error written" },
};

static const struct row connection_lost[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 1, SENT, .n = 5, .want = "" },
	{ 2, CALL, "MESSAGE", "b", 0, "send MESSAGE" },
	{ 3, SENT, .n = 6, .want = "" },
	{ 4, CLOSED, .n = 5, .want = "" },
	{ 4, TICK, .want = "error written" },
	{ 5, RESPONSE, "MESSAGE", "b", 200, "response 200" },
	{ 6, CLOSED, .n = 6, .want = "" },
	{ 6, IDLE, .want = "" },
};

/* Timers A and B. */
static const struct row timer_a_and_b[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 500, TICK, .want = "send INVITE" },
	{ 1500, TICK, .want = "send INVITE" },
	{ 3500, TICK, .want = "send INVITE" },
	{ 7500, TICK, .want = "send INVITE" },
	{ 15500, TICK, .want = "send INVITE" },
	{ 31500, TICK, .want = "send INVITE" },
	{ 32000, TICK, .want = "timeout" },
};

/* Timer D: the ACK is ours, and repeated for each copy of the response (section 17.1.1.2). */
static const struct row timer_d[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 10, RESPONSE, "INVITE", "i", 180, "response 180" },
	{ 600, IDLE, .want = "" },
	{ 1000, RESPONSE, "INVITE", "i", 486, "send ACK, response 486" },
	{ 1500, RESPONSE, "INVITE", "i", 486, "send ACK" },
	{ 1600, RESPONSE, "INVITE", "i", 180, "" },
	{ 33000, TICK, .want = "" },
	{ 33001, RESPONSE, "INVITE", "i", 486, "" },
};

static const struct row invite_refused_stream[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 10, RESPONSE, "INVITE", "i", 486, "send ACK, response 486" },
	{ 11, RESPONSE, "INVITE", "i", 486, "" },
};

/* Timer M, RFC 6026 section 7.2: every 2xx goes up, other responses do not. */
static const struct row timer_m[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 10, RESPONSE, "INVITE", "i", 200, "response 200" },
	{ 500, RESPONSE, "INVITE", "i", 200, "response 200" },
	{ 600, RESPONSE, "INVITE", "i", 486, "" },
	{ 32100, TICK, .want = "" },
	{ 32101, RESPONSE, "INVITE", "i", 200, "" },
};

/* A ringing INVITE does not live for ever (Timer C). */
static const struct row timer_c[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 10, RESPONSE, "INVITE", "i", 180, "response 180" },
	{ 180010, TICK, .want = "timeout" },
};

/* Section 9.1: not before a provisional response; its own answer is nobody's business. */
static const struct row cancel_of_ours[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 10, RESPONSE, "INVITE", "i", 180, "response 180" },
	{ 20, CANCEL, .want = "send CANCEL" },
	{ 30, RESPONSE, "CANCEL", "i", 200, "" },
	{ 40, RESPONSE, "INVITE", "i", 487, "send ACK, response 487" },
	{ 41, CANCEL, .want = "refused -4" },
};

/* Section 9.1: not before something has been heard. */
static const struct row cancel_before_an_answer[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 1, CANCEL, .want = "" },
	{ 2, CANCEL, .want = "" },
	{ 10, RESPONSE, "INVITE", "i", 100, "send CANCEL" },
	{ 11, CANCEL, .want = "refused -4" },
	{ 12, RESPONSE, "INVITE", "i", 180, "response 180" },
	{ 40, RESPONSE, "INVITE", "i", 487, "send ACK, response 487" },
};
static const struct row cancel_unanswered[] = {
	{ 0, CALL, "INVITE", "i", 0, "send INVITE" },
	{ 10, RESPONSE, "INVITE", "i", 180, "response 180" },
	{ 20, CANCEL, .want = "send CANCEL" },
	{ 30, RESPONSE, "CANCEL", "i", 200, "" },
	{ 32020, TICK, .want = "timeout" },
};

/* Section 17.2.2 and RFC 4320: 100 when Timer E reaches T2, not before; the answer repeated; Timer
 * J. */
static const struct row timer_j[] = {
	{ 0, REQUEST, "MESSAGE", B1, 0, "request MESSAGE" },
	{ 500, REQUEST, "MESSAGE", B1, 0, "" },
	{ 3499, IDLE, .want = "" },
	{ 3500, TICK, .want = "send 100" },
	{ 3501, REQUEST, "MESSAGE", B1, 0, "send 100" },
	{ 5000, RESPOND, .n = 200, .want = "send 200" },
	{ 5001, RESPOND, .n = 404, .want = "refused -4" },
	{ 7500, REQUEST, "MESSAGE", "Z9HG4BKB1", 0, "send 200" },
	{ 36999, REQUEST, "MESSAGE", B1, 0, "send 200" },
	{ 37000, TICK, .want = "" },
	{ 37001, REQUEST, "MESSAGE", B1, 0, "request MESSAGE" },
};

/* RFC 4320 section 4.1: 100 "without regard to transport"; Timer J is 0 on a stream. */
static const struct row stream_server[] = {
	{ 0, REQUEST, "MESSAGE", B1, 0, "request MESSAGE" },
	{ 3500, TICK, .want = "send 100" },
	{ 5000, RESPOND, .n = 200, .want = "send 200" },
	{ 5001, REQUEST, "MESSAGE", B1, 0, "request MESSAGE" },
};

/* RFC 4320 section 4.2: nothing after 64*T1, never 408; only final responses are the user's. */
static const struct row late_answer[] = {
	{ 0, REQUEST, "MESSAGE", B1, 0, "request MESSAGE" },
	{ 1, RESPOND, .n = 408, .want = "refused -2" },
	{ 2, RESPOND, .n = 183, .want = "refused -2" },
	{ 3, RESPOND, .n = 480, .more = "Bad line", .want = "refused -2" },
	{ 3500, TICK, .want = "send 100" },
	{ 32000, TICK, .want = "" },
	{ 32001, RESPOND, .n = 200, .want = "refused -4" },
};

/* [C1-10]: another branch, same From tag, Call-ID and CSeq. */
static const struct row merged[] = {
	{ 0, REQUEST, "MESSAGE", B1, 1, "request MESSAGE" },
	{ 1, REQUEST, "MESSAGE", B2, 1, "send 482" },
	{ 2, REQUEST, "MESSAGE", "z9hG4bKb3", 2, "request MESSAGE" },
};

#define ALIKE(name, branch)                                                                                                                          \
	"MESSAGE sip:x@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=" branch "\r\nMax-Forwards: 70\r\nFrom: <sip:" name                          \
	"@b>;tag=1\r\nTo: sip:c@d\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
/* Two users whose clients have drawn the same numbers. */
static const struct row alike[] = {
	{ 0, RAW, ALIKE("alice", B1), .want = "request MESSAGE" },
	{ 1, RAW, ALIKE("carol", B2), .want = "request MESSAGE" },
	{ 2, RAW, ALIKE("alice", "z9hG4bKb3"), .want = "send 482" },
};

#define CONTACT "Contact: <sip:dave@192.0.2.9>\r\n"
/* Section 17.2.1: G doubles to T2, H ends it; ACK stops it, I absorbs its copies. */
static const struct row timer_g_and_h[] = {
	{ 0, REQUEST, "INVITE", B1, 0, "request INVITE", CONTACT },
	{ 0, RESPOND, .n = 486, .want = "send 486" },
	{ 500, TICK, .want = "send 486" },
	{ 1500, TICK, .want = "send 486" },
	{ 3500, TICK, .want = "send 486" },
	{ 7500, TICK, .want = "send 486" },
	{ 11500, TICK, .want = "send 486" },
	{ 15500, TICK, .want = "send 486" },
	{ 19500, TICK, .want = "send 486" },
	{ 23500, TICK, .want = "send 486" },
	{ 27500, TICK, .want = "send 486" },
	{ 31500, TICK, .want = "send 486" },
	{ 32000, TICK, .want = "" },
};

static const struct row timer_i[] = {
	{ 0, REQUEST, "INVITE", B1, 0, "request INVITE", CONTACT },
	{ 0, RESPOND, .n = 486, .want = "send 486" },
	{ 100, REQUEST, "INVITE", B1, 0, "send 486", CONTACT },
	{ 200, REQUEST, "ACK", B1, 0, "" },
	{ 300, REQUEST, "ACK", B1, 0, "" },
	{ 400, REQUEST, "INVITE", B1, 0, "", CONTACT },
	{ 5199, IDLE, .want = "" },
	{ 5200, TICK, .want = "" },
	{ 5201, REQUEST, "ACK", B1, 0, "" },
};

static const struct row invite_stream[] = {
	{ 0, REQUEST, "INVITE", B1, 0, "request INVITE", CONTACT },
	{ 0, RESPOND, .n = 486, .want = "send 486" },
	{ 600, IDLE, .want = "" },
	{ 700, REQUEST, "ACK", B1, 0, "" },
	{ 701, REQUEST, "INVITE", B1, 0, "request INVITE", CONTACT },
	{ 702, RESPOND, .n = 486, .want = "send 486" },
	{ 32800, TICK, .want = "" },
};

/*
 * Section 8.2.7: a refusal that follows from the request alone holds nothing, whoever makes it: the same again is refused again, nothing
 * is repeated by itself, and no ACK is waited for.
 */
static const struct row refused_without_state[] = {
	{ 0, REQUEST, "MESSAGE", B1, 0, "send 405" },
	{ 1, REQUEST, "INVITE", B2, 2, "send 420", CONTACT "Require: 100rel\r\n" },
	{ 2, REQUEST, "INVITE", B2, 2, "send 420", CONTACT "Require: 100rel\r\n" },
	{ 3, REQUEST, "ACK", B2, 2, "" },
	{ 4, REQUEST, "INVITE", B2, 2, "send 420", CONTACT "Require: 100rel\r\n" },
	{ 5000, IDLE, .want = "" },
};

/* A user's answer is kept whatever its status: a 501 may be a contact's word about a message that was handed over. */
static const struct row message_answer_is_kept[] = {
	{ 0, REQUEST, "MESSAGE", B1, 1, "request MESSAGE" },
	{ 1, RESPOND, .n = 501, .want = "send 501" },
	{ 2, REQUEST, "MESSAGE", B1, 1, "send 501" },
	{ 32100, TICK, .want = "" },
	{ 32101, REQUEST, "MESSAGE", B1, 1, "request MESSAGE" },
	{ 32102, RESPOND, .n = 415, .want = "send 415" },
	{ 32103, REQUEST, "MESSAGE", B1, 1, "send 415" },
	{ 64200, TICK, .want = "" },
};

/* Section 17.2.3: without the cookie the rules of RFC 2543. */
static const struct row old_branches[] = {
	{ 0, REQUEST, "MESSAGE", "1", 1, "request MESSAGE" },
	{ 1, RESPOND, .n = 200, .want = "send 200" },
	{ 2, REQUEST, "MESSAGE", "1", 1, "send 200" },
	{ 3, REQUEST, "MESSAGE", "1", 2, "request MESSAGE" },
	{ 4, REQUEST, "INVITE", "2", 3, "send 405" },
	{ 5, REQUEST, "ACK", "2", 3, "" },
	{ 504, IDLE, .want = "" },
};

/* Section 9.2: an INVITE that was refused has nothing to cancel. [C2-05]: a CANCEL of anything else has no effect. */
static const struct row cancel_of_theirs[] = {
	{ 0, REQUEST, "INVITE", B1, 1, "send 405" },
	{ 1, REQUEST, "CANCEL", B1, 1, "send 481" },
	{ 2, REQUEST, "CANCEL", B2, 1, "send 481" },
	{ 3, REQUEST, "MESSAGE", B2, 2, "request MESSAGE" },
	{ 4, REQUEST, "CANCEL", B2, 2, "send 481" },
	{ 5, RESPOND, .n = 200, .want = "send 200" },
};

/* Every row of the table in dispatch.c without To tag; an ACK nobody waits for is absorbed. */
static const struct row methods[] = {
	{ 0, REQUEST, "MESSAGE", "z9hG4bKm1", 1, "request MESSAGE" },
	{ 1, REQUEST, "OPTIONS", "z9hG4bKm2", 2, "send 200" },
	{ 2, REQUEST, "ACK", "z9hG4bKm3", 3, "" },
	{ 3, REQUEST, "CANCEL", "z9hG4bKm4", 4, "send 481" },
	{ 4, REQUEST, "BYE", "z9hG4bKm5", 5, "send 481" },
	{ 5, REQUEST, "NOTIFY", "z9hG4bKm6", 6, "send 481" },
	{ 6, REQUEST, "SUBSCRIBE", "z9hG4bKm7", 7, "send 489" },
	{ 7, REQUEST, "PUBLISH", "z9hG4bKm8", 8, "send 405" },
	{ 8, REQUEST, "REGISTER", "z9hG4bKm9", 9, "send 405" },
	{ 9, REQUEST, "INFO", "z9hG4bKm10", 10, "send 405" },
	{ 10, REQUEST, "PRACK", "z9hG4bKm11", 11, "send 405" },
	{ 11, REQUEST, "UPDATE", "z9hG4bKm12", 12, "send 405" },
	{ 12, REQUEST, "REFER", "z9hG4bKm13", 13, "send 405" },
	{ 13, REQUEST, "INVITE", "z9hG4bKm14", 14, "send 405" },
	{ 14, REQUEST, "message", "z9hG4bKm15", 15, "send 501" },
	{ 15, REQUEST, "FOO", "z9hG4bKm16", 16, "send 501" },
	{ 16, REQUEST, "MESSAGE", "z9hG4bKm17", 17, "send 420", "Require: 100rel, x\r\nRequire: y\r\n" },
};

static const struct row bad_requests[] = {
	{ 0, REQUEST, "MESSAGE", B1, 1, "send 400, bad 400", "Content-Type: text\r\n" },
	{ 1, REQUEST, "ACK", B1, 1, "bad 400", "Content-Type: text\r\n" },
	{ 2, RAW, "nonsense\r\n\r\n", .want = "bad 400" },
	{ 3, RAW, "\r\n", .want = "" },
	{ 3, RAW, "\r\n\r\n", .want = "" },
	{ 3, RAW, "\001\001", .want = "" },
	{ 3, RAW, "", .want = "" },
	{ 4, RAW, "SIP/2.0 999 x\r\nVia: SIP/2.0/UDP a\r\n\r\n", .want = "bad 400" },
};

/* [C3-06]: on a stream what breaks the framing closes the connection, other faults do not. */
static const struct row bad_stream[] = {
	{ 0, REQUEST, "MESSAGE", B1, 1, "send 400, bad 400", "Content-Type: text\r\n" },
	{ 1, REQUEST, "MESSAGE", B1, 1, "send 400, bad 400, close", "Content-Length: 3\r\n" },
	{ 2, RAW, "nonsense\r\n\r\n", .want = "bad 400, close" },
};

/* Section 18.4: nothing listens there, and it has been asked once: it is not delivered. */
static const struct row closed_port[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 1, RETURNED, .want = "error" },
	{ 2, RETURNED, .want = "" },
	{ 3, RESPONSE, "MESSAGE", "a", 200, "" },
};

static const struct row closed_port_and_invite[] = {
	{ 0, CALL, "INVITE", "a", 0, "send INVITE" },
	{ 1, RETURNED, .n = 110, .want = "error" },
};

/* Who has not seen the request cannot end it, nor can what quotes too little of it. */
static const struct row forged_returns[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 1, RETURNED, .n = 1, .want = "" },
	{ 1, RETURNED, .n = 90, .want = "" },
	{ 1, RETURNED, .more = "192.0.2.8", .want = "" },
	{ 1, RETURNED, .method = "", .want = "" },
	{ 1, RETURNED, .method = "MESSAGE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKa;rport\r\n", .want = "" },
	{ 1, RETURNED, .method = "\r\nVia: ;branch=z9hG4bKa;rport", .want = "" },
	{ 1, RETURNED, .method = " \r\nVia: ;branch=z9hG4bK", .want = "" },
	{ 500, TICK, .want = "send MESSAGE" },
	{ 501, RESPONSE, "MESSAGE", "a", 200, "response 200" },
	{ 502, RETURNED, .want = "" },
};

/* Behind a repetition the one of before may have arrived: an answer is waited for until it would be sent again. */
static const struct row closed_after_a_repeat[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 500, TICK, .want = "send MESSAGE" },
	{ 501, RETURNED, .want = "" },
	{ 1500, TICK, .want = "error written" },
};

static const struct row answered_after_a_return[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 500, TICK, .want = "send MESSAGE" },
	{ 501, RETURNED, .want = "" },
	{ 600, RESPONSE, "MESSAGE", "a", 200, "response 200" },
};

/* A dead host on the same wire: the kernel gives up asking for it after 3 s, and all of them come back. */
static const struct row all_come_back[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 500, TICK, .want = "send MESSAGE" },
	{ 1500, TICK, .want = "send MESSAGE" },
	{ 3000, RETURNED, .want = "" },
	{ 3000, RETURNED, .want = "" },
	{ 3000, RETURNED, .want = "error" },
};

/* Somebody has it. */
static const struct row returned_after_100[] = {
	{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
	{ 1, RESPONSE, "MESSAGE", "a", 100, "" },
	{ 2, RETURNED, .want = "" },
	{ 4001, TICK, .want = "send MESSAGE" },
	{ 4002, RESPONSE, "MESSAGE", "a", 200, "response 200" },
};

#define SCENARIO_OF(user, rows, transport)                                                                                                           \
	{                                                                                                                                            \
#rows, transport, &user, rows, XFED_ARRAY_LEN(rows)                                                                                  \
	}
#define SCENARIO(rows, transport) SCENARIO_OF(play_user, rows, transport)
#define SESSION(rows, transport)  SCENARIO_OF(play_sessions, rows, transport)
static const struct scenario scenarios[] = {
	SCENARIO(timer_e_and_f, SIP_UDP),
	SCENARIO(late_timer_e_is_not_repeated, SIP_UDP),
	SCENARIO(late_timer_f_reads_first, SIP_UDP),
	SCENARIO(late_timer_f_ends, SIP_UDP),
	SCENARIO(timer_f_stream, SIP_TCP),
	SCENARIO(proceeding_repeats_at_t2, SIP_UDP),
	SCENARIO(timer_k, SIP_UDP),
	SCENARIO(stream_client_ends_at_once, SIP_TLS),
	SCENARIO(response_matching, SIP_TCP),
	SCENARIO(stray_responses, SIP_UDP),
	SCENARIO(send_fails, SIP_TCP),
	SCENARIO(connection_lost, SIP_TCP),
	SCENARIO(timer_a_and_b, SIP_UDP),
	SCENARIO(timer_d, SIP_UDP),
	SCENARIO(invite_refused_stream, SIP_TCP),
	SCENARIO(timer_m, SIP_UDP),
	SCENARIO(timer_c, SIP_TCP),
	SCENARIO(cancel_of_ours, SIP_TCP),
	SCENARIO(cancel_before_an_answer, SIP_TCP),
	SCENARIO(cancel_unanswered, SIP_TCP),
	SCENARIO(timer_j, SIP_UDP),
	SCENARIO(stream_server, SIP_TLS),
	SCENARIO(late_answer, SIP_UDP),
	SCENARIO(merged, SIP_UDP),
	SCENARIO(alike, SIP_UDP),
	SESSION(timer_g_and_h, SIP_UDP),
	SESSION(timer_i, SIP_UDP),
	SESSION(invite_stream, SIP_TCP),
	SESSION(refused_without_state, SIP_UDP),
	SCENARIO(message_answer_is_kept, SIP_UDP),
	SCENARIO(old_branches, SIP_UDP),
	SCENARIO(cancel_of_theirs, SIP_UDP),
	SCENARIO(methods, SIP_TCP),
	SCENARIO(bad_requests, SIP_UDP),
	SCENARIO(bad_stream, SIP_TCP),
	SCENARIO(closed_port, SIP_UDP),
	SCENARIO(closed_port_and_invite, SIP_UDP),
	SCENARIO(forged_returns, SIP_UDP),
	SCENARIO(closed_after_a_repeat, SIP_UDP),
	SCENARIO(answered_after_a_return, SIP_UDP),
	SCENARIO(all_come_back, SIP_UDP),
	SCENARIO(returned_after_100, SIP_UDP),
};

#endif
