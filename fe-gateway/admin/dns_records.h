/*
 * Which DNS records partners need to find the edges, and how those that are published differ. Pure: facts and answers in, as JSON.
 *
 *   facts     {"domains": [ours, A-labels], "edges": [what each edge says of itself (dns.facts of its admin/dns.h), with "host" always set, and
 *             "is_named": bool, it stands in the edge's configuration], "neighbour"?: {"host", "port", "partners": [A-labels or wildcards]}}
 *   answers   what the DNS has said: {"SRV _xmpp-server._tcp.example.com": {"status", "records"}} (dns.ask there);
 *             beside its words of "status": "unasked", and "invalid" with "text", what is wrong in the answer
 */
#ifndef GATEWAY_ADMIN_DNS_RECORDS_H
#define GATEWAY_ADMIN_DNS_RECORDS_H

#include <jansson.h>
#include <stdbool.h>

#define DNS_SAID_WORDS 160

/*
 * Whether what an edge has answered is what the functions below take, element by element: an edge may be in other hands. False, with what is
 * wrong in it ("addresses[1] is no IP address"): nothing of it is to be used.
 */
bool dns_facts_valid(const json_t *said, char words[DNS_SAID_WORDS]);
bool dns_answer_valid(const json_t *said, const char *type, char words[DNS_SAID_WORDS]);

/* {"records": [{"name", "type", "data", "why"}], "problems": [TEXT]}; names end with a dot. NULL: out of memory. */
json_t *dns_records(const json_t *facts);
/* What has to be asked and is not among the answers: ["SRV _xmpp-server._tcp.example.com"]. Empty: all is known. */
json_t *dns_questions(const json_t *facts, const json_t *answers);
/* Steps as of rt_control_add_step(): srv, address, tlsa. */
json_t *dns_differences(const json_t *facts, const json_t *answers);

#endif
