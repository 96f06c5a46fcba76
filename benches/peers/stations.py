"""M/M/c under SimPy or Ciw: prints how many requests were served, the seconds that it took, and their mean wait.

Arguments: the library, the number of workers, the number of requests. The load is 0.8, the mean service time 1 s.
"""

import random
import sys
import time

LOAD = 0.8


def run_simpy(workers, requests):
    import simpy

    draws = random.Random(1)
    environment = simpy.Environment()
    station = simpy.Resource(environment, capacity=workers)
    sums = [0, 0.0]

    def customer():
        came = environment.now
        with station.request() as turn:
            yield turn
            sums[0] += 1
            sums[1] += environment.now - came
            yield environment.timeout(draws.expovariate(1.0))

    def source():
        for _ in range(requests):
            yield environment.timeout(draws.expovariate(LOAD * workers))
            environment.process(customer())

    environment.process(source())
    start = time.process_time()
    environment.run()
    return sums[0], time.process_time() - start, sums[1] / sums[0]


def run_ciw(workers, requests):
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=LOAD * workers)],
        service_distributions=[ciw.dists.Exponential(rate=1.0)],
        number_of_servers=[workers],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    start = time.process_time()
    simulation.simulate_until_max_time(requests / (LOAD * workers))
    seconds = time.process_time() - start
    waits = [record.waiting_time for record in simulation.get_all_records()]
    return len(waits), seconds, sum(waits) / len(waits)


if __name__ == "__main__":
    run = {"simpy": run_simpy, "ciw": run_ciw}[sys.argv[1]]
    print(*run(int(sys.argv[2]), int(sys.argv[3])))
