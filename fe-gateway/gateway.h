/*
 * xfed-gateway: its parts, put together. One struct gateway per process; everything in it belongs to the loop's thread. gateway.c
 * and main.c alone see all rooms; a new part is a room and a line in the table of gateway.c.
 *
 *   service    in and out of service
 *   admin      what xfedctl asks
 *   im         messages, both ways
 *   contacts   what is known of pairs of a user and a contact
 *   trunk      SIP: sockets, transactions, next hops
 *   channel    the links to the edges
 *   journal    failed attempts
 *   policy     what files say, its revision, reload
 *   store      what outlives the process
 *   config     gateway.yaml
 *   core       loop, metrics, resolver, ids
 *
 * A room calls those below it, never one above; channel and trunk do not call each other.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "policy/policy.h"

struct gateway;

/* Takes `files`. OK, or an error with one sentence in `error`; whatever it returns, gateway_free() follows. */
int gateway_new(const char *config_path, struct policy_files *files, struct gateway **out, char error[256]);
bool gateway_store_is_denied(const struct policy_files *files, char text[256]); /* before a start; one sentence in `text` */
void gateway_run(struct gateway *g);						/* until it has left service */
void gateway_free(struct gateway *g);						/* NULL is fine */

#endif
