//! Any bytes to an open client.

use super::*;

pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = split_choice(data) else {
        return;
    };
    let config = pick_config(choice);
    let outcomes = Cut::all(choice, bytes.len()).into_iter().map(|cut| {
        let [(server, of_server), (client, collector)] = open_pair(&config, &config);
        let mut outcome = super::run(client, collector, bytes, cut, undecided);
        assert_accepted(&outcome.output, server, of_server);
        // The mask keys are random: only the number of bytes is the same.
        outcome.output.fill(0);
        outcome
    });
    assert_all_equal(outcomes);
}
