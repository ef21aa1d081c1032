//! Any bytes to an open server.

use super::*;

pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = split_choice(data) else {
        return;
    };
    let config = pick_config(choice);
    let outcomes = Cut::all(choice, bytes.len()).into_iter().map(|cut| {
        let [(server, collector), (client, of_client)] = open_pair(&config, &config);
        let outcome = super::run(server, collector, bytes, cut, undecided);
        assert_accepted(&outcome.output, client, of_client);
        outcome
    });
    assert_all_equal(outcomes);
}
