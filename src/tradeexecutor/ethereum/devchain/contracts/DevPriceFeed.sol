// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// A price feed with the one function that Aave reads, and a price that anybody can set. For local chains only.
contract DevPriceFeed {
    int256 public latestAnswer;

    constructor(int256 price) {
        latestAnswer = price;
    }

    function setPrice(int256 price) external {
        latestAnswer = price;
    }

    /// Prices are in USD with eight places.
    function decimals() external pure returns (uint8) {
        return 8;
    }
}
