/*
 * Where a request inside a dialog goes. What its Contact or Record-Route names is a peer's word: it is followed to an address that is
 * a peer of the dialog's domain, and to no other; else the request takes the dialog's own way, as long as whoever is there is such a
 * peer, or was chosen by us. Names are not looked up: they are written into the request, and whoever is on the way finds them. Pure.
 */
#ifndef GATEWAY_TRUNK_WAY_H
#define GATEWAY_TRUNK_WAY_H

#include "sip/dialog.h"
#include "trunk/trust.h"

struct way_facts {
	const struct sip_dialog *dialog;
	struct sip_target own;		 /* where it came about, or where the peer sent its last request from */
	bool is_ours;			 /* that was chosen by a request of ours: a place of the next hop */
	const struct trust_peer *behind; /* who is at the other end of the connection own.flow; NULL: that is gone, or it is none */
	bool is_dialled;		 /* that connection was opened by us */
	bool is_large;			 /* the request is too large for UDP */
};

/* `peers`: of the domain. False: nowhere; the dialog is to be given up. */
bool way_inside(const struct config_senders *peers, const struct way_facts *f, struct sip_target *out);

#endif
